"""From a URL to the byte on disk by few steps: what one upload, download and list run through.

Counted are our own frames and files, from the handler that the route table names down to the store
(or the rows). Three numbers:

- `frames`: how many of ours are on the stack when the store is reached.
- `files`: those that a reader opens to follow the way: the files of these frames, and the files
  that the handler and the use case call by themselves.
- `entered`: all files in which anything ran, down to the last helper of the database. Its limit is
  what it is today, see docs/adr/0009-what-the-hop-budget-counts.md.
"""

import io
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any
from wsgiref.util import setup_testing_defaults

import orjson
import pytest

import calotype
from calotype.app import build
from calotype.db import schema
from calotype.parts import assemble
from calotype.policy import enforcer
from calotype.settings.load import load

SOURCE = str(Path(calotype.__file__).parent) + "/"
Ask = Callable[..., tuple[str, bytes]]


@dataclass(frozen=True)
class Way:
    """One kind of request: where it begins, where it ends, and how long it may be."""

    handler: str
    goal: str
    frames: int
    files: int
    entered: int


UPLOAD = Way("ImageDataApi.upload", "FilesystemStore.put", frames=6, files=14, entered=16)
DOWNLOAD = Way("ImageDataApi.download", "FilesystemStore.open", frames=6, files=14, entered=12)
CACHED = Way("ImageDataApi.download", "Folder.open", frames=6, files=14, entered=13)
LIST = Way("ImagesApi.list", "Images.find", frames=5, files=9, entered=10)


@dataclass
class Walk:
    """What was seen of one request. Used as a profiler it writes down our own frames only."""

    way: Way
    stack: list[FrameType] = field(default_factory=list)
    entered: set[str] = field(default_factory=set)
    calls: set[tuple[str, str]] = field(default_factory=set)
    path: list[FrameType] = field(default_factory=list)

    def __call__(self, frame: FrameType, event: str, _arg: object) -> None:
        if not frame.f_code.co_filename.startswith(SOURCE):
            return
        if event == "call" and (self.stack or frame.f_code.co_qualname == self.way.handler):
            self._enter(frame)
        elif event == "return" and self.stack and self.stack[-1] is frame:
            self.stack.pop()

    def _enter(self, frame: FrameType) -> None:
        if self.stack:
            self.calls.add((name(self.stack[-1]), name(frame)))
        self.stack.append(frame)
        self.entered.add(name(frame))
        if frame.f_code.co_qualname == self.way.goal:
            self.path = list(self.stack)

    @property
    def files(self) -> set[str]:
        """The files of the way, and those that all of it but its end calls."""
        on_the_way = {name(frame) for frame in self.path}
        end = name(self.path[-1])
        return on_the_way | {to for by, to in self.calls if by in on_the_way - {end}}

    def __str__(self) -> str:
        path = " -> ".join(f"{name(f)}:{f.f_code.co_qualname}" for f in self.path)
        return f"{path}\nfiles: {sorted(self.files)}\nentered: {sorted(self.entered)}"


def name(frame: FrameType) -> str:
    return frame.f_code.co_filename.removeprefix(SOURCE)


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """The whole application with its defaults, on SQLite and a file store."""
    with application(tmp_path_factory.mktemp("hops"), {}) as request:
        yield request


@contextmanager
def application(folder: Path, options: Mapping[tuple[str, str], object]) -> Iterator[Ask]:
    """An application in a folder, with some options set."""
    (folder / "images").mkdir()
    settings = load(
        overrides={
            ("database", "connection"): f"sqlite:///{folder}/calotype.db",
            ("glance_store", "filesystem_store_datadir"): str(folder / "images"),
            **options,
        },
        use_defaults_only=True,
    )
    parts = assemble(settings)
    schema.sync(parts.database)
    with pytest.MonkeyPatch.context() as patch:
        # Policy files are looked at once a second, not once a request; a slow machine may see it.
        patch.setattr(enforcer, "LOOK_AGAIN", 3600.0)
        wsgi = build(parts)

    def request(method: str, path: str, body: bytes = b"", media: str = "") -> tuple[str, bytes]:
        environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": ""}
        setup_testing_defaults(environ)
        environ["wsgi.input"] = io.BytesIO(body)
        environ |= {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": media}
        started: list[str] = []
        blocks = wsgi(environ, lambda status, *_: started.append(status))  # type: ignore
        try:
            return started[0], b"".join(blocks)
        finally:
            if hasattr(blocks, "close"):
                blocks.close()

    yield request
    parts.database.close()


def new_image(ask: Ask) -> str:
    """The path of the data of a new image."""
    body = orjson.dumps({"disk_format": "raw", "container_format": "bare"})
    status, answer = ask("POST", "/v2/images", body, "application/json")
    assert status.startswith("201")
    return f"/v2/images/{orjson.loads(answer)['id']}/file"


def upload(ask: Ask, path: str) -> None:
    status, _ = ask("PUT", path, bytes(3 << 20), "application/octet-stream")
    assert status.startswith("204")


def download(ask: Ask, path: str) -> None:
    status, data = ask("GET", path)
    assert status.startswith("200")
    assert len(data) == 3 << 20


def list_all(ask: Ask, _path: str) -> None:
    status, page = ask("GET", "/v2/images")
    assert status.startswith("200")
    assert orjson.loads(page)["images"]


@pytest.fixture
def walk(ask: Ask, request: pytest.FixtureRequest) -> Walk:
    """One request, seen from inside, when everything that is done but once has been done."""
    way, act = request.param
    warm, path = new_image(ask), new_image(ask)
    upload(ask, warm)
    act(ask, warm if act is not upload else new_image(ask))
    return walked(way, lambda: act(ask, path if act is upload else warm))


def walked(way: Way, act: Callable[[], None]) -> Walk:
    """What is run through meanwhile."""
    seen = Walk(way)
    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        act()
    finally:
        sys.setprofile(before)
    return seen


WALKS = [(UPLOAD, upload), (DOWNLOAD, download), (LIST, list_all)]
each_walk = pytest.mark.parametrize(
    "walk", WALKS, indirect=True, ids=["upload", "download", "list"]
)


@each_walk
def test_few_frames(walk: Walk) -> None:
    assert walk.path, "the store was not reached"
    assert len(walk.path) <= walk.way.frames, str(walk)


@each_walk
def test_few_files(walk: Walk) -> None:
    assert len(walk.files) <= walk.way.files, str(walk)


@each_walk
def test_no_more_files_are_entered(walk: Walk) -> None:
    assert len(walk.entered) <= walk.way.entered, str(walk)


@pytest.mark.parametrize("walk", WALKS[:1], indirect=True)
def test_the_way_is_the_one_that_the_architecture_shows(walk: Walk) -> None:
    found = list(dict.fromkeys(map(name, walk.path)))
    assert found == ["api/image_data.py", "services/image_data.py", "stores/filesystem.py"]


def test_a_download_from_the_cache(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    options = {
        ("DEFAULT", "image_cache_dir"): str(cache),
        ("DEFAULT", "worker_self_reference_url"): "http://node-1:9292",
        ("paste_deploy", "flavor"): "caching",
    }
    with application(tmp_path, options) as ask:
        path = new_image(ask)
        upload(ask, path)
        download(ask, path)
        image_id = path.split("/")[3]
        for _ in range(1000):
            if (cache / image_id).exists():
                break
            time.sleep(0.02)
        download(ask, path)
        walk = walked(CACHED, lambda: download(ask, path))
    assert walk.path, "the cache was not reached"
    assert len(walk.path) <= CACHED.frames, str(walk)
    assert len(walk.files) <= CACHED.files, str(walk)
    assert len(walk.entered) <= CACHED.entered, str(walk)
