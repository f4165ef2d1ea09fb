"""Disks that are full, stores that vanish, servers that are silent: a reason, and no byte left."""

import gzip
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calotype import errors
from calotype.app import build
from calotype.db.engine import Database
from calotype.imports.fetch import opened
from calotype.jobs import make_runner
from calotype.model.image import Status
from calotype.model.location import Location
from calotype.remote import client
from calotype.remote.uri_filter import UriFilter
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.filesystem import FilesystemStore
from calotype.stores.filesystem_settings import Datadir, FilesystemSettings
from calotype.stores.memory import MemoryStore
from calotype.stores.store import Source
from tests.api.cases import OCTETS, Given
from tests.api.many_stores import ManyStores, many_stores
from tests.imports.conftest import FORMATS, Importing
from tests.imports.test_run import FAILED, TO
from tests.imports.web import Web, chunked, held_back, page, serving
from tests.tasks.site import until

MIB = 1 << 20
#: More than the small file systems of the tests hold.
TOO_MUCH = os.urandom(12 * MIB)


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


# -- a full disk under the staging area ------------------------------------------------------------


@pytest.fixture
def cramped(
    database: Database, tmp_path: Path, small_folder: Path, web: Web
) -> Iterator[Importing]:
    """A site whose staging area has 8 MiB."""
    options: dict[tuple[str, str], object] = {
        ("os_glance_staging_store", "filesystem_store_datadir"): str(small_folder / "staging"),
        ("import_filtering_opts", "allowed_hosts"): ["127.0.0.1"],
        ("import_filtering_opts", "allowed_ports"): [web.port],
        ("image_import_opts", "image_import_plugins"): ["image_decompression"],
    }
    importing = Importing(many_stores(database, tmp_path, options))
    yield importing
    importing.site.parts.database.close()


def nothing_is_left(importing: Importing, image_id: str, small_folder: Path) -> None:
    """The image is as new, and so is the disk."""
    image = importing.client.image(image_id)
    assert (image["status"], image["size"], image["checksum"]) == ("queued", None, None)
    assert list((small_folder / "staging").iterdir()) == [] and importing.held() == {}
    url, headers = f"/v2/images/{image_id}/stage", {"Content-Type": OCTETS}
    importing.client.ask("PUT", url, bytes(7 * MIB), headers).gave(204)


def test_a_stage_that_fills_the_disk(cramped: Importing, small_folder: Path) -> None:
    image_id = cramped.client.create(**FORMATS)
    url, headers = f"/v2/images/{image_id}/stage", {"Content-Type": OCTETS}
    cramped.client.ask("PUT", url, TOO_MUCH, headers).gave(413, "no room")
    assert cramped.tasks(image_id) == []
    nothing_is_left(cramped, image_id, small_folder)


@pytest.mark.parametrize("reply", [page(TOO_MUCH), chunked(TOO_MUCH)], ids=["told", "chunked"])
def test_a_download_that_fills_the_disk(
    cramped: Importing, small_folder: Path, web: Web, reply: Any
) -> None:
    web.pages["/image"] = reply
    image_id = cramped.client.create(**FORMATS)
    cramped.ask(image_id, {"name": "web-download", "uri": f"{web.url}/image"}).gave(202)
    cramped.work()
    status, message = cramped.task(image_id)
    assert status == "failure" and "no room" in message
    nothing_is_left(cramped, image_id, small_folder)


def test_an_archive_that_fills_the_disk(cramped: Importing, small_folder: Path) -> None:
    image_id = cramped.staged(gzip.compress(bytes(64 * MIB)))
    cramped.ask(image_id).gave(202)
    cramped.work()
    status, message = cramped.task(image_id)
    assert status == "failure" and "no room" in message
    nothing_is_left(cramped, image_id, small_folder)


# -- stores that vanish ----------------------------------------------------------------------------


class Interrupted(MemoryStore):
    """Something happens when its data has been read half-way."""

    def __init__(self) -> None:
        super().__init__()
        self.happens: Callable[[], object] = lambda: None

    def read(
        self, location: Location, offset: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        for number, block in enumerate(super().read(location, offset, length)):
            if number == 2:
                self.happens()
            yield block


def files(folder: Path) -> FilesystemStore:
    folder.mkdir()
    return FilesystemStore(FilesystemSettings(datadirs=(Datadir(str(folder)),)))


@pytest.mark.parametrize("must_succeed", [True, False])
def test_a_store_that_vanishes_while_it_is_copied_to(
    database: Database, tmp_path: Path, must_succeed: bool
) -> None:
    data, source, folder = TOO_MUCH[: 5 * MIB], Interrupted(), tmp_path / "mounted"
    target, other = files(folder), files(tmp_path / "other")
    parts = many_stores(database, tmp_path).parts
    entries = {"source": source, "target": target, "other": other}
    catalog = Catalog({name: Entry(name, it) for name, it in entries.items()}, "source", multi=True)
    parts = replace(parts, stores=catalog)
    importing = Importing(ManyStores(parts, build(parts, strategy=Given()), folder=tmp_path))
    image_id = importing.client.create_active(data)
    before = importing.client.image(image_id)
    source.happens = lambda: folder.rename(tmp_path / "unmounted")
    more = {"all_stores": True, "all_stores_must_succeed": must_succeed}
    importing.ask(image_id, "copy-image", importing.admin, **more).gave(202)
    importing.work()
    source.happens = lambda: None
    image = importing.client.image(image_id)
    assert (image["status"], image[FAILED], image[TO]) == ("active", "target", "")
    assert image["os_hash_value"] == before["os_hash_value"]
    assert importing.client.get(f"/v2/images/{image_id}/file").gave(200).body == data
    if must_succeed:
        status, message = importing.task(image_id)
        assert status == "failure" and "not usable now" in message
        assert image["stores"] == "source" and other.find(image_id) is None
    else:
        assert importing.task(image_id)[0] == "success"
        assert image["stores"] == "source,other"
    (tmp_path / "unmounted").rename(folder)  # it is back, with an unfinished file at most
    assert all(it.status == "unfinished" for it in target.leftovers(2.0**40))
    assert target.find(image_id) is None
    importing.ask(image_id, "copy-image", importing.admin, stores=["target"]).gave(202)
    importing.work()
    assert (folder / image_id).read_bytes() == data
    parts.database.close()


# -- another attempt -------------------------------------------------------------------------------


class Telling(MemoryStore):
    """Something happens before it takes data."""

    def __init__(self) -> None:
        super().__init__()
        self.happens: Callable[[], object] = lambda: None

    def put(self, key: str, source: Source, size: int | None) -> Location:
        self.happens()
        return super().put(key, source, size)


@pytest.fixture
def stoppable(database: Database, tmp_path: Path, web: Web) -> Iterator[tuple[Importing, Telling]]:
    """A site with one store, which may fetch from the web server."""
    store = Telling()
    options: dict[tuple[str, str], object] = {
        ("import_filtering_opts", "allowed_hosts"): ["127.0.0.1"],
        ("import_filtering_opts", "allowed_ports"): [web.port],
    }
    parts = many_stores(database, tmp_path, options).parts
    parts = replace(parts, stores=Catalog({"one": Entry("one", store)}, "one", multi=True))
    yield Importing(ManyStores(parts, build(parts, strategy=Given()), folder=tmp_path)), store
    parts.database.close()


def test_what_was_fetched_is_not_fetched_again_by_who_goes_on(
    stoppable: tuple[Importing, Telling], web: Web
) -> None:
    importing, store = stoppable
    web.pages["/image"] = page(TOO_MUCH)
    image_id, stop = importing.client.create(**FORMATS), threading.Event()
    importing.ask(image_id, {"name": "web-download", "uri": f"{web.url}/image"}).gave(202)
    store.happens = stop.set
    make_runner(importing.site.parts).run_waiting(stop)
    assert importing.task(image_id)[0] == "processing" and store.find(image_id) is None
    store.happens = lambda: None
    importing.work()
    assert importing.task(image_id)[0] == "success"
    assert b"".join(store.read(Location(f"memory://{image_id}"))) == TOO_MUCH
    assert len(web.asked) == 1


def test_what_something_else_has_staged_is_not_taken_for_it(
    stoppable: tuple[Importing, Telling], web: Web
) -> None:
    """A crash may leave a whole file under the image's name, with facts that fit."""
    importing, store = stoppable
    image_id = importing.staged(b"of a stage that died")
    row = importing.site.parts.images.get(image_id)
    importing.site.parts.images.swap(row, row.moved_to(Status.QUEUED, size=None))
    web.pages["/image"] = page(b"what is asked for")
    importing.ask(image_id, {"name": "web-download", "uri": f"{web.url}/image"}).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "success"
    assert b"".join(store.read(Location(f"memory://{image_id}"))) == b"what is asked for"


# -- a worker that was taken for dead --------------------------------------------------------------


def test_another_worker_completes_its_stage_meanwhile(
    stoppable: tuple[Importing, Telling], web: Web
) -> None:
    """It lost its lease, and learns so only after it has written the file."""
    importing, store = stoppable
    image_id = importing.client.create(**FORMATS)
    folder = importing.site.folder / "staging"

    def reply(handler: Any) -> None:
        page(TOO_MUCH[:MIB], len(TOO_MUCH))(handler)
        if len(web.asked) == 1:
            until(lambda: list(folder.glob(".calotype-*")), "the beginning of the stage")
            (folder / image_id).write_bytes(b"of the other worker")
        handler.wfile.write(TOO_MUCH[MIB:])

    web.pages["/image"] = reply
    importing.ask(image_id, {"name": "web-download", "uri": f"{web.url}/image"}).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "success"
    assert b"".join(store.read(Location(f"memory://{image_id}"))) == TOO_MUCH
    assert len(web.asked) == 2 and importing.held() == {}


@pytest.mark.parametrize("must_succeed", [True, False])
def test_another_worker_completes_its_copy_meanwhile(
    database: Database, tmp_path: Path, must_succeed: bool
) -> None:
    data, source = TOO_MUCH[: 5 * MIB], Interrupted()
    target, other = files(tmp_path / "target"), files(tmp_path / "other")
    parts = many_stores(database, tmp_path).parts
    entries = {"source": source, "target": target, "other": other}
    catalog = Catalog({name: Entry(name, it) for name, it in entries.items()}, "source", multi=True)
    parts = replace(parts, stores=catalog)
    importing = Importing(ManyStores(parts, build(parts, strategy=Given()), folder=tmp_path))
    image_id = importing.client.create_active(data)
    others: list[int] = []

    def meanwhile() -> None:
        if not others:
            path = tmp_path / "target" / image_id
            others.append(path.write_bytes(b"of the other worker"))

    source.happens = meanwhile
    more = {"all_stores": True, "all_stores_must_succeed": must_succeed}
    importing.ask(image_id, "copy-image", importing.admin, **more).gave(202)
    importing.work()
    image = importing.client.image(image_id)
    assert importing.task(image_id)[0] == "success" and others
    assert (image["stores"], image[FAILED]) == ("source,target,other", "")
    assert [(tmp_path / name / image_id).read_bytes() for name in ("target", "other")] == [data] * 2
    parts.database.close()


# -- servers ---------------------------------------------------------------------------------------


def test_a_server_that_falls_silent(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.2)
    never, uris = (
        threading.Event(),
        UriFilter(allowed_hosts=["127.0.0.1"], allowed_ports=[web.port]),
    )
    web.pages["/image"] = held_back(TOO_MUCH, MIB, never)
    silent = pytest.raises(errors.StoreUnavailable, match="cannot be fetched")
    with silent, opened(f"{web.url}/image", uris) as answer:
        while answer.read(MIB):
            pass
    never.set()


def test_a_host_that_nobody_knows() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    unknown = pytest.raises(errors.StoreUnavailable, match=r"images\.invalid cannot be found")
    with unknown, opened("http://images.invalid/image", UriFilter(resolve=resolve)):
        pass


@pytest.mark.parametrize("method", ["glance-download", "web-download", "copy-image"])
def test_a_method_that_is_not_enabled(database: Database, tmp_path: Path, method: str) -> None:
    enabled = {("DEFAULT", "enabled_import_methods"): ["glance-direct"]}
    importing = Importing(many_stores(database, tmp_path, enabled))
    image_id = importing.client.create(**FORMATS)
    asked = {
        "name": method,
        "uri": "http://images.example/image",
        "glance_image_id": image_id,
        "glance_region": "There",
    }
    importing.ask(image_id, asked).gave(400, "the import methods are: glance-direct")
    assert importing.client.image(image_id)["status"] == "queued"
    importing.site.parts.database.close()
