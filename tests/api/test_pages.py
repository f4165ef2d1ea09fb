"""The list of images over HTTP: order, pages and links."""

from itertools import product
from urllib.parse import parse_qs, urlencode

import pytest

from calotype.model.filter import SORT_KEYS
from tests.api.cases import (
    ADMIN,
    MEMBER,
    OTHER,
    Client,
    Site,
    on_each_engine,
)
from tests.api.conftest import MakeSite

#: What the images of the walk have: NULLs, equal values, and values that compare in odd ways.
_NAMES = (None, "", "a", "A", "ä", "a ", "\uffff")
_FORMATS = (None, "raw", "aki")
ORDERS = [
    "",
    *(f"sort_key={key}&sort_dir={way}" for key in SORT_KEYS for way in ("asc", "desc")),
    "sort=name:asc,size:desc,disk_format",
    "sort=disk_format:asc,container_format:desc,name:asc",
    "sort=status,name:asc,id:asc",
    "sort=container_format:asc,created_at:asc",
    "sort=updated_at:asc,size:asc,id",
    "sort_key=disk_format&sort_key=name&sort_dir=asc",
    "sort_key=size&sort_key=name&sort_dir=desc&sort_dir=asc",
    "sort_dir=asc",
]


def _fill(client: Client) -> set[str]:
    """Images with every combination of such values, a few active, in as few moments."""
    ids = set()
    for number, (name, disk_format) in enumerate(product(_NAMES, _FORMATS)):
        fields = {
            "name": name,
            "disk_format": disk_format,
            "container_format": "aki" if disk_format == "aki" else disk_format and "bare",
        }
        if disk_format and number % 2:
            ids.add(client.create_active(b"x" * (number // 3 % 3), **fields))
        else:
            ids.add(client.create(**fields))
    return ids


@on_each_engine
def test_a_walk_meets_each_image_once_in_the_order_of_the_whole(member: Client) -> None:
    ids = _fill(member)
    for order in ORDERS:
        whole = member.ids(f"limit=1000&{order}")
        assert set(whole) == ids
        assert list(member.walk(f"/v2/images?limit=1&{order}")) == whole, order
    for limit in (4, 7):
        assert list(member.walk(f"/v2/images?limit={limit}")) == member.ids("limit=1000")


def test_the_walk_has_something_to_stumble_over(member: Client) -> None:
    ids = _fill(member)
    images = member.get("/v2/images?limit=1000").gave(200).json["images"]
    assert len(ids) == 21
    assert len({image["created_at"] for image in images}) < len(ids)
    assert len({image["size"] for image in images}) == 4
    assert len({image["status"] for image in images}) == 2


@on_each_engine
def test_pages_stay_true_while_images_come_and_go(member: Client) -> None:
    ids = [member.create(name=f"{number:02}") for number in range(6)]
    first = member.get("/v2/images?limit=2&sort=name:asc").gave(200).json
    assert [image["id"] for image in first["images"]] == ids[:2]
    member.delete(f"/v2/images/{ids[0]}").gave(204)
    member.create(name="00a")
    late = member.create(name="03a")
    assert list(member.walk(first["next"])) == [ids[2], ids[3], late, *ids[4:]]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("sort=name:asc", "abc"),
        ("sort=name:desc", "cba"),
        ("sort=name", "cba"),
        ("sort_key=name", "cba"),
        ("sort_key=name&sort_dir=asc", "abc"),
        ("sort=disk_format:asc,name:asc", "cab"),  # c has none, which comes first
        ("sort=disk_format:desc,name:desc", "bac"),
        ("sort_key=disk_format&sort_key=name&sort_dir=asc&sort_dir=desc", "cba"),
    ],
)
@on_each_engine
def test_order(member: Client, order: str, expected: str) -> None:
    for letter, fields in {
        "b": {"disk_format": "raw"},
        "c": {},
        "a": {"disk_format": "raw"},
    }.items():
        member.create(name=letter, **fields)
    images = member.get(f"/v2/images?{order}").gave(200).json["images"]
    assert "".join(image["name"] for image in images) == expected


#: A query, what `first` says and what `next` says; M stands for the marker.
LINKS = [
    ("", "", None),
    ("limit=2", "limit=2", "limit=2&marker=M"),
    ("limit=3", "limit=3", "limit=3&marker=M"),
    ("limit=4", "limit=4", None),
    ("limit=0", "limit=0", None),
    (
        "limit=1&name=x y&sort=id:asc",
        "limit=1&name=x y&sort=id:asc",
        "limit=1&name=x y&sort=id:asc&marker=M",
    ),
    ("tag=a&limit=1&tag=ö", "tag=a&tag=ö&limit=1", "tag=a&tag=ö&limit=1&marker=M"),
    ("limit=1&p=", "limit=1&p=", "limit=1&p=&marker=M"),
]


@pytest.mark.parametrize(("query", "first", "after"), LINKS)
def test_links(member: Client, query: str, first: str, after: str | None) -> None:
    for _ in range(3):
        member.create(name="x y", tags=["a", "ö"], p="")
    page = member.get(f"/v2/images?{_encode(query)}" if query else "/v2/images").gave(200).json
    assert page["schema"] == "/v2/schemas/images"
    assert page["first"] == ("/v2/images?" + _encode(first) if first else "/v2/images")
    if after is None:
        assert "next" not in page
    else:
        marker = page["images"][-1]["id"]
        assert page["next"] == "/v2/images?" + _encode(after.replace("M", marker))


def _encode(query: str) -> str:
    return urlencode(parse_qs(query, keep_blank_values=True), doseq=True)


def test_the_marker_is_not_part_of_the_first_link(member: Client) -> None:
    ids = [member.create() for _ in range(3)]
    page = member.get(f"/v2/images?limit=1&marker={max(ids)}").gave(200).json
    assert page["first"] == "/v2/images?limit=1"
    assert page["next"].count("marker=") == 1


def test_page_sizes_can_be_configured(make_site: MakeSite) -> None:
    options = {("DEFAULT", "limit_param_default"): 2, ("DEFAULT", "api_limit_max"): 3}
    client = make_site(options).of(MEMBER)
    for _ in range(5):
        client.create()
    assert [len(client.ids(query)) for query in ("", "limit=1", "limit=3", "limit=5")] == [
        2,
        1,
        3,
        3,
    ]
    assert "next" in client.get("/v2/images?limit=5").json


@on_each_engine
def test_a_marker_must_be_visible(site: Site) -> None:
    admin, member, other = (site.of(caller) for caller in (ADMIN, MEMBER, OTHER))
    private, shared, public = (
        admin.create(owner="ours", visibility=visibility)
        for visibility in ("private", "shared", "public")
    )
    for client, image_id, status in [
        (member, private, 200),
        (admin, private, 200),
        (other, private, 400),
        (other, shared, 400),
        (other, public, 200),
    ]:
        client.get(f"/v2/images?marker={image_id}").gave(status)
    admin.share(shared, "theirs", "rejected")
    other.get(f"/v2/images?marker={shared}").gave(200)
    admin.delete(f"/v2/images/{public}").gave(204)
    other.get(f"/v2/images?marker={public}").gave(400, "marker: no image with the id")
