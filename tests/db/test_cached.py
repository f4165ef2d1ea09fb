"""Which nodes have an image, on each engine."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from calotype.db.cached import CachedImages
from calotype.db.engine import Database
from calotype.db.leases import exactly_now
from calotype.db.tables import calotype_leases, node_reference
from calotype.model.cached import CachedImage

IMAGE = "11111111-1111-4111-8111-111111111111"
MOMENT = datetime(2026, 3, 1, 12, 30, 15)


def node(database: Database, number: int, *, has_it: bool = True) -> CachedImages:
    made = CachedImages(database, f"http://node-{number}:9292", 600)
    made.renew()
    if has_it:
        made.add(CachedImage(IMAGE, 5, MOMENT, MOMENT))
    return made


def silent(database: Database, number: int | None) -> None:
    """Have a node say nothing for longer than its lease."""
    row = update(calotype_leases).where(calotype_leases.c.name == f"cache-node:{number}")
    past = exactly_now() - timedelta(seconds=1)
    database.transaction(lambda c: c.execute(row.values(expires_at=past)))


def test_the_nodes_that_have_an_image(database: Database) -> None:
    three, one, two = (node(database, n, has_it=n != 2) for n in (3, 1, 2))
    assert two.nodes(IMAGE) == ["http://node-1:9292", "http://node-3:9292"]
    assert two.nodes("22222222-2222-4222-8222-222222222222") == []
    one.remove(IMAGE)
    assert one.nodes(IMAGE) == ["http://node-3:9292"]
    assert len(three.entries()) == 1
    assert one.entries() == []


def test_a_silent_node_drops_out_and_comes_back(database: Database) -> None:
    one, two = node(database, 1), node(database, 2)
    silent(database, one.number())
    assert two.nodes(IMAGE) == ["http://node-2:9292"]
    one.renew()
    assert two.nodes(IMAGE) == ["http://node-1:9292", "http://node-2:9292"]


def test_a_node_that_never_said_that_it_lives_is_not_listed(database: Database) -> None:
    glance = CachedImages(database, "http://node-9:9292", 600)
    glance.add(CachedImage(IMAGE, 5, MOMENT, MOMENT))
    assert node(database, 1).nodes(IMAGE) == ["http://node-1:9292"]


def test_a_node_has_one_row_however_many_processes(database: Database) -> None:
    made = [CachedImages(database, "http://node-1:9292", 600) for _ in range(6)]

    def begin(books: CachedImages) -> int:
        books.renew()
        books.add(CachedImage(IMAGE, 5, MOMENT, MOMENT))
        return books.number()

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(begin, made))) == 1
    with database.reading() as connection:
        for table in (node_reference, calotype_leases):
            assert connection.scalar(select(func.count()).select_from(table)) == 1
    assert len(made[0].entries()) == 1
