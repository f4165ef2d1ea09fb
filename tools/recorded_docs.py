"""The pages of the clients whose commands are run against a real service: see `transcripts`."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tools.demo import free_port, wait_until_up
from tools.terminal import Terminal
from tools.transcripts import Rules, filled

ROOT = Path(__file__).parents[1]

#: Where readers of the pages have the service.
READERS = "http://127.0.0.1:9292"

#: A service with a cache, for the commands that ask about it.
CACHING = """\
[DEFAULT]
node_staging_uri = file://{folder}/staging
image_cache_dir = {folder}/cache
worker_self_reference_url = {url}
[database]
connection = sqlite:///{folder}/calotype.db
[glance_store]
filesystem_store_datadir = {folder}/images
[paste_deploy]
flavor = caching
"""


class Missing(Exception):
    """A program that a page is about is not installed; the message says what brings it."""


Serve = Callable[[Path], AbstractContextManager[str]]


@dataclass(frozen=True)
class Recorded:
    """A page, the service it is about, and where its program is."""

    name: str
    serve: Serve
    programs: Path
    program: str
    #: Beside what the page itself says; {url} is the service.
    environment: Mapping[str, str]

    def page(self) -> str:
        """The page, with what its commands show now. Raises Missing and WentWrong."""
        if not (self.programs / self.program).exists():
            raise Missing(f"{self.programs} does not hold {self.program}: make test builds it")
        text = (ROOT / "docs" / self.name).read_text()
        with tempfile.TemporaryDirectory(prefix="calotype-docs-") as name:
            home = Path(name) / "home"
            home.mkdir()
            with self.serve(Path(name)) as url, Terminal(home, self._environment(url)) as terminal:
                return filled(text, terminal, Rules(url, READERS))

    def _environment(self, url: str) -> dict[str, str]:
        given = {name: value.format(url=url) for name, value in self.environment.items()}
        return {**clean(), "PATH": f"{self.programs}:/usr/bin:/bin", **given}


def clean() -> dict[str, str]:
    """An environment without any cloud in it, where the sources beside this file are found."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}/src:{ROOT}/client/src"}


@contextmanager
def without_configuration(folder: Path) -> Iterator[str]:
    """A service as `make run` starts it, on a port of its own; gives its address."""
    with _serving(["--quickstart", str(folder / "var")]) as url:
        yield url


@contextmanager
def with_a_cache(folder: Path) -> Iterator[str]:
    """A service without authentication that keeps images in a cache; gives its address."""
    port = free_port()
    config = folder / "glance-api.conf"
    config.write_text(CACHING.format(folder=folder, url=f"http://127.0.0.1:{port}"))
    given = ["--config-file", str(config)]
    subprocess.run([*_calotype(), *given, "db", "sync"], env=clean(), check=True)
    with _serving([], before=given, port=port) as url:
        yield url


@contextmanager
def _serving(arguments: list[str], before: list[str] | None = None, port: int = 0) -> Iterator[str]:
    port = port or free_port()
    command = [*_calotype(), *(before or []), "serve", "--port", str(port), *arguments]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, env=clean(), stdout=subprocess.DEVNULL, stderr=log)
        try:
            wait_until_up(port, server)
            yield f"http://127.0.0.1:{port}"
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read().decode())
            raise
        finally:
            server.terminate()
            server.wait()


def _calotype() -> list[str]:
    return [sys.executable, "-m", "calotype"]


_OURS = partial(
    Recorded,
    serve=without_configuration,
    programs=Path(sys.executable).parent,
    program="calotype",
)
_OPEN = {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": "{url}"}
RECORDED = (
    _OURS("client/five-minutes.md", environment={}),
    _OURS("client/README.md", environment=_OPEN),
    Recorded(
        "client/openstack.md", with_a_cache, ROOT / ".peers" / "bin", "openstack",
        {"PYTHONPATH": f"{ROOT}/client/src"},
    ),
)  # fmt: skip

#: Page -> what makes it.
PAGES: Mapping[str, Callable[[], str]] = {it.name: it.page for it in RECORDED}
