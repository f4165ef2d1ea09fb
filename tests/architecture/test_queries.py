"""How many statements a request costs the database: as many for a thousand images as for one."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event

from calotype.db.engine import Database
from calotype.db.images import Images
from calotype.db.members import Members
from calotype.model.filter import Filter, Viewer
from calotype.model.image import Image, Status, Visibility
from calotype.model.location import Location
from tests.api.cases import ADMIN, MEMBER, OTHER, OTHER_READER, V21, Client, Site, on_each_engine
from tests.api.test_tasks import put as put_task
from tests.db.samples import new_image


@contextmanager
def statements() -> Iterator[list[str]]:
    """What any database of this process is asked meanwhile."""
    asked: list[str] = []

    def before(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", before)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", before)


def fill(database: Database, count: int) -> list[Image]:
    """Images with something of everything, that "theirs" may see for different reasons."""
    rows, members = Images(database), Members(database)
    images = []
    for number in range(count):
        image = new_image(
            status=Status.ACTIVE,
            visibility=(Visibility.PUBLIC, Visibility.SHARED)[number % 2],
            name=f"image {number}",
            properties={f"property {n}": "value" for n in range(5)},
            tags=("one", "two", "three"),
            locations=(Location("file:///1"), Location("file:///2")),
        )
        rows.add(image)
        if image.visibility is Visibility.SHARED:
            members.add(image.id, "theirs")
        images.append(image)
    return images


@on_each_engine
@pytest.mark.parametrize("count", [1, 10, 100])
def test_a_page_is_one_statement(site: Site, database: Database, count: int) -> None:
    images = fill(database, count)
    for caller in (ADMIN, OTHER):
        for query, expected in {
            "limit=1000&member_status=all": 1,
            f"limit=1000&member_status=all&marker={images[0].id}": 2,
            "limit=1000&visibility=all&member_status=all&tag=one&tag=two&property%201=value": 1,
            "limit=1000&sort=name:asc,size:desc&status=in:active,queued&member_status=all": 1,
            "limit=0": 0,
        }.items():
            client = site.of(caller)
            client.ids("limit=1")  # what is done once per process is done
            with statements() as asked:
                found = client.ids(query)
            assert len(asked) == expected, (query, asked)
            if "marker" not in query and "limit=0" not in query:
                assert len(found) == count


@on_each_engine
@pytest.mark.parametrize("count", [1, 20])
def test_a_page_of_tasks_is_one_statement(site: Site, count: int) -> None:
    made = [put_task(site) for _ in range(count)]
    admin = site.of(ADMIN)
    admin.get("/v2/tasks").gave(200)
    for query, expected in {
        "": 1,
        f"&marker={made[0]}": 2,
        "&status=success&type=import": 1,
    }.items():
        with statements() as asked:
            admin.get(f"/v2/tasks?limit=1000{query}").gave(200)
        assert len(asked) == expected, (query, asked)
    with statements() as asked:
        admin.get(f"/v2/tasks/{made[0]}").gave(200)
    assert len(asked) == 1


@on_each_engine
def test_the_marker_of_somebody_else(site: Site, database: Database) -> None:
    """Who may see a marker for its membership only costs one more."""
    images = fill(database, 4)
    with statements() as asked:
        site.of(OTHER).ids(f"marker={images[1].id}")
    assert len(asked) == 3


#: What a call costs: caller, method, path, body, statements of reading, statements of writing.
COSTS = [
    (MEMBER, "GET", "", None, 1, 0),
    (ADMIN, "GET", "", None, 1, 0),
    (OTHER, "GET", "", None, 2, 0),
    (OTHER_READER, "GET", "", None, 2, 0),
    (MEMBER, "GET", "/members", None, 2, 0),
    (MEMBER, "GET", "/members/theirs", None, 2, 0),
    # BEGIN, the row itself, COMMIT, and one for what else there is to look at or to write
    (MEMBER, "PATCH", "", [{"op": "replace", "path": "/name", "value": "new"}], 1, 3),
    (MEMBER, "PATCH", "", [{"op": "add", "path": "/new", "value": "new"}], 1, 5),
    (MEMBER, "PATCH", "", [{"op": "add", "path": "/property 1", "value": "new"}], 1, 5),
    (MEMBER, "PATCH", "", [{"op": "replace", "path": "/name", "value": "image 1"}], 1, 0),
    (MEMBER, "PUT", "/tags/new", None, 1, 5),
    (MEMBER, "PUT", "/tags/one", None, 1, 0),
    (MEMBER, "DELETE", "/tags/one", None, 1, 5),
    (MEMBER, "POST", "/actions/deactivate", None, 1, 3),
]


@on_each_engine
@pytest.mark.parametrize(
    ("caller", "method", "path", "body", "reading", "writing"),
    COSTS,
    ids=[f"{method}{path}{number}" for number, (_, method, path, *_) in enumerate(COSTS)],
)
def test_what_a_call_costs(
    site: Site,
    database: Database,
    caller: object,
    method: str,
    path: str,
    body: object,
    reading: int,
    writing: int,
) -> None:
    image = fill(database, 2)[1]
    client: Client = site.of(caller)  # type: ignore[arg-type]
    with statements() as asked:
        answer = client.ask(method, f"/v2/images/{image.id}{path}", body, {"Content-Type": V21})
    assert answer.status < 300, answer
    reads = [one for one in asked if one.startswith("SELECT")]
    assert len(asked) == reading + writing, asked
    assert len(reads) >= reading


@on_each_engine
def test_a_new_image_costs_the_same_whatever_it_has(site: Site) -> None:
    costs = set()
    for size in (1, 10, 100):
        body = {f"p{n}": "v" for n in range(size)} | {"tags": [f"t{n}" for n in range(size)]}
        with statements() as asked:
            site.of(MEMBER).post("/v2/images", body).gave(201)
        costs.add(len(asked))
    assert costs == {5}  # BEGIN, the image, its properties, its tags, COMMIT


def test_one_statement_reads_all_that_an_image_has(database: Database) -> None:
    fill(database, 3)
    with statements() as asked:
        found = Images(database).find(Filter(), Viewer(None, is_admin=True))
    assert len(asked) == 1
    assert {(len(image.properties), len(image.tags), len(image.locations)) for image in found} == {
        (5, 3, 2)
    }
