"""Three nodes with a cache each, on one database: which of them have an image."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from calotype.db.engine import connect
from calotype.db.leases import exactly_now
from calotype.db.tables import calotype_leases
from tests.cache.people import guarded, start
from tests.cache.site import Node
from tests.tasks.site import Site, until

DATA = bytes(range(256)) * 300
NOBODY = "99999999-0000-4000-8000-000000000000"
#: Seconds that a node may be silent here.
TIMEOUT = 3


@pytest.fixture
def sites(fresh_url: str, tmp_path: Path) -> Iterator[list[Site]]:
    """The three, as the admin sees them."""
    store = tmp_path / "images"
    nodes = [
        guarded(
            tmp_path / f"node-{number}",
            default=f"calotype_cache_node_timeout = {TIMEOUT}",
            store=store,
            database=fresh_url,
        )
        for number in range(3)
    ]
    database = connect(fresh_url)
    try:
        start(nodes)
        yield [Site(node, database) for node in nodes]
    finally:
        for node in nodes:
            node.stop()
        database.close()


def nodes_of(site: Site, image_id: str) -> list[str]:
    answer = site.ask("GET", f"/v2/cache/nodes/{image_id}").gave(200)
    assert list(answer.json) == ["cached_nodes"]
    return list(answer.json["cached_nodes"])


def url(site: Site) -> str:
    return site.service.url


def test_which_nodes_have_an_image(sites: list[Site]) -> None:
    one, two, three = sites
    image_id = one.as_("mary").stored(DATA)
    for site in sites:
        assert nodes_of(site, image_id) == []

    for number, site in enumerate((three, one), 1):
        assert site.ask("GET", f"/v2/images/{image_id}/file").status == 200
        until(lambda count=number: len(nodes_of(two, image_id)) == count)
    have_it = sorted([url(three), url(one)])
    for site in sites:
        assert nodes_of(site, image_id) == have_it

    refuse_those_who_may_not(two, image_id)
    read_what_the_old_client_reads(two, image_id, have_it)
    each_node_knows_its_own(sites, image_id)
    a_node_that_goes_drops_out_and_comes_back(sites, image_id)
    an_image_that_is_deleted_is_nowhere(sites, image_id)


def refuse_those_who_may_not(site: Site, image_id: str) -> None:
    path = f"/v2/cache/nodes/{image_id}"
    site.as_("mary").ask("GET", path).gave(403, "list_cached_nodes")
    site.as_("rita").ask("GET", path).gave(403)
    site.as_("otto").ask("GET", path).gave(404)
    site.ask("GET", f"/v2/cache/nodes/{NOBODY}").gave(404)


def read_what_the_old_client_reads(site: Site, image_id: str, have_it: list[str]) -> None:
    path = f"/v2/cache/nodes/{image_id}"
    for agent, bare in (("python-glanceclient", True), ("curl/8", False), ("", False)):
        answer = site.ask("GET", path, headers={"User-Agent": agent}).gave(200)
        assert answer.json == (have_it if bare else {"cached_nodes": have_it})
        assert answer.headers["Vary"] == "User-Agent"


def each_node_knows_its_own(sites: list[Site], image_id: str) -> None:
    for site, has_it in zip(sites, (True, False, True), strict=True):
        cached = site.ask("GET", "/v2/cache").gave(200).json["cached_images"]
        assert [entry["image_id"] for entry in cached] == ([image_id] if has_it else [])


def a_node_that_goes_drops_out_and_comes_back(sites: list[Site], image_id: str) -> None:
    one, two, three = sites
    three.service.kill()
    until(lambda: nodes_of(two, image_id) == [url(one)])
    until(lambda: len(living(two)) == 2)
    three.service.start()
    until(lambda: nodes_of(two, image_id) == sorted([url(one), url(three)]))


def living(site: Site) -> list[str]:
    """The nodes that have not been silent for too long, looked at in the database."""
    wanted = select(calotype_leases.c.name).where(calotype_leases.c.expires_at >= exactly_now())
    with site.database.reading() as connection:
        return list(connection.scalars(wanted))


def an_image_that_is_deleted_is_nowhere(sites: list[Site], image_id: str) -> None:
    one, two, three = sites
    one.ask("DELETE", f"/v2/images/{image_id}").gave(204)
    two.ask("GET", f"/v2/cache/nodes/{image_id}").gave(404)
    three.ask("GET", f"/v2/images/{image_id}/file").gave(404)
    node = three.service
    assert isinstance(node, Node)
    assert node.cached() == [image_id]  # it has not noticed yet, but does not serve it
    three.ask("POST", "/v2/cache/clean").gave(200)
    assert node.cached() == []
