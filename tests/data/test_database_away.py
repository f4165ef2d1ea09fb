"""A database that goes away during uploads: nothing is lost, and all goes on when it is back."""

import pytest

from tests.data.conftest import Start
from tests.data.site import Site, file_of, soon
from tests.data.wire import OCTETS
from tests.database_servers import DatabaseServer
from tests.stores.sources import content

MIB = 1 << 20
DATA = content(2 * MIB)


@pytest.fixture
def site(start: Start, own_server: DatabaseServer) -> Site:
    """A service with a worker, on that server."""
    return start(
        *("--workers", "1", "--threads", "4"),
        default="calotype_task_lease = 2",
        database=own_server.url(own_server.create()),
    )


def test_it_is_away_at_the_end_of_an_upload(site: Site, own_server: DatabaseServer) -> None:
    image_id, there = site.new(), site.stored(b"there")
    with site.wire() as wire:
        wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Content_Length=len(DATA))
        wire.send(DATA[:-1])
        assert soon(lambda: site.unfinished() == 1)
        own_server.stop()
        wire.send(DATA[-1:])
        answer = wire.answer()
    assert answer.status == 503
    assert answer.message
    assert site.download(there).status == 503
    # Whether the transaction was the last thing that happened is not known: the data stays.
    assert site.path(image_id).read_bytes() == DATA

    own_server.start()
    assert soon(lambda: site.download(there).body == b"there")
    assert soon(lambda: site.status(image_id) in ("queued", "active"))
    if site.status(image_id) == "queued":
        assert site.upload(image_id, DATA).status == 204
    assert site.download(image_id).body == DATA
    assert site.kept() == {image_id, there}


def test_it_is_away_for_a_while_in_the_middle(site: Site, own_server: DatabaseServer) -> None:
    """Shorter than the lease: an upload does not notice."""
    image_id = site.new()
    with site.wire() as wire:
        wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Content_Length=len(DATA))
        wire.send(DATA[:MIB])
        assert soon(lambda: site.unfinished() == 1)
        own_server.stop()
        own_server.start()
        wire.send(DATA[MIB:])
        answer = wire.answer()
    # On a busy machine the server may take longer than the lease lasts.
    assert answer.status in (204, 409), answer
    if answer.status == 409:
        assert soon(lambda: site.status(image_id) == "queued")
        assert site.upload(image_id, DATA).status == 204
    assert site.download(image_id).body == DATA
    assert site.kept() == {image_id}


def test_it_is_away_from_the_start(site: Site, own_server: DatabaseServer) -> None:
    image_id = site.new()
    own_server.stop()
    answer = site.upload(image_id, DATA)
    assert answer.status == 503
    assert site.kept() == set()
    own_server.start()
    assert soon(lambda: site.upload(image_id, DATA).status == 204)
    assert site.download(image_id).body == DATA
