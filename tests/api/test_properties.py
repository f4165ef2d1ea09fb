"""Whatever a client says of an image, drawn at random: kept as it is, or refused with a reason."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import hypothesis
import pytest
from hypothesis import strategies as st

from calotype.model.properties import READ_ONLY, RESERVED, WRITABLE
from tests.api.cases import V20, V21, Client, on_each_engine

#: The same examples in each run, and no word about how long they take.
drawn = hypothesis.settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)

FIELDS = sorted(WRITABLE | READ_ONLY | RESERVED)

#: Text of any kind, halves of surrogate pairs and characters of four bytes included.
TEXT = st.text(max_size=30) | st.text(st.characters(max_codepoint=0xFFFF), max_size=30)
NAMES = st.sampled_from(FIELDS) | TEXT
NUMBERS = st.integers() | st.floats() | st.sampled_from([2**31, 2**63, 2**64, -1, 1e308])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
#: Text that all tables can keep.
KEPT = st.text(
    st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"], exclude_characters="\0"),
    max_size=40,
)
OWN_NAMES = KEPT.filter(lambda name: name not in FIELDS and not name.startswith("os_glance"))
PATCHES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "op": st.sampled_from(["add", "replace", "remove", "test"]) | JSON,
            "path": (NAMES | JSON).map(lambda n: "/" + n if isinstance(n, str) else n),
            "value": JSON,
        },
    )
    | JSON,
    max_size=4,
)


def _sendable(value: Any) -> bytes:
    """JSON as Python writes it: with NaN, and halves of surrogate pairs as escapes."""
    return json.dumps(value).encode()


@on_each_engine
def test_properties_and_tags_come_back_as_they_were_sent(member: Client) -> None:
    same = member.site.parts.database.dialect == "mysql"

    @drawn
    @hypothesis.given(
        properties=st.dictionaries(OWN_NAMES, KEPT, max_size=5),
        tags=st.lists(KEPT, max_size=5),
        name=st.none() | KEPT,
    )
    def keep(properties: dict[str, str], tags: list[str], name: str | None) -> None:
        answer = member.post("/v2/images", {**properties, "tags": tags, "name": name})
        if same and answer.status == 409:  # two names that this engine takes for one
            return
        image = member.image(answer.gave(201).json["id"])
        assert {key: image[key] for key in properties} == properties
        assert sorted(image["tags"]) == sorted(set(tags))
        assert image["name"] == name
        listed = member.get(f"/v2/images?id={image['id']}").gave(200).json["images"]
        assert listed == [image]
        for key, value in properties.items():
            if key not in ("limit", "marker", "sort", "tag"):
                query = f"{quote(key, safe='')}={quote(value, safe='')}&id={image['id']}"
                assert member.ids(query) == [image["id"]], (key, value)

    keep()


def _images(client: Client) -> list[Any]:
    page: list[Any] = client.get("/v2/images?limit=1000&visibility=all").gave(200).json["images"]
    return page


@pytest.fixture(params=["POST", V21, V20])
def send(request: pytest.FixtureRequest, member: Client) -> Iterator[Callable[[Any], Any]]:
    """Sends a body in one of the three forms that change images."""
    image_id = member.create(os="debian", tags=["t"], name="name")
    if request.param == "POST":
        yield lambda body: member.post("/v2/images", _sendable(body))
    else:
        yield lambda body: member.patch(
            f"/v2/images/{image_id}", _sendable(body), str(request.param)
        )


def test_any_json_is_taken_or_refused(member: Client, send: Callable[[Any], Any]) -> None:
    """Never a 5xx (`ask` fails at one), and what is refused leaves no trace."""
    taken = 0

    @hypothesis.settings(drawn, max_examples=150)
    @hypothesis.given(body=PATCHES | JSON | st.dictionaries(NAMES, JSON | TEXT, max_size=3))
    def throw(body: Any) -> None:
        nonlocal taken
        before = _images(member)
        answer = send(body)
        if answer.status >= 400:
            assert answer.status in (400, 403, 409, 413)
            assert _images(member) == before
        else:
            taken += 1

    throw()
    assert taken  # or else all this showed nothing but how to say no


@pytest.mark.parametrize("where", ["name=", "tag=", "own=", "id=in:", "sort=", "marker=", ""])
def test_any_bytes_in_a_query(member: Client, where: str) -> None:
    image_id = member.create()

    @hypothesis.settings(drawn, max_examples=80)
    @hypothesis.given(data=st.binary(max_size=60))
    def throw(data: bytes) -> None:
        answer = member.get(f"/v2/images?{where}{quote(data, safe='=&:,')}")
        assert answer.status in (200, 400)
        if answer.status == 200:
            assert {image["id"] for image in answer.json["images"]} <= {image_id}

    throw()


@pytest.mark.parametrize("path", ["/v2/images/{}", "/v2/images/{id}/tags/{}", "/v2/{}", "/{}"])
def test_any_bytes_in_a_path(member: Client, path: str) -> None:
    image_id = member.create()

    @hypothesis.settings(drawn, max_examples=80)
    @hypothesis.given(data=st.binary(max_size=60), method=st.sampled_from(["GET", "PUT", "DELETE"]))
    def throw(data: bytes, method: str) -> None:
        url = path.replace("{id}", image_id).replace("{}", quote(data, safe="/"))
        assert member.ask(method, url).status in (200, 204, 300, 400, 404, 405)

    throw()
