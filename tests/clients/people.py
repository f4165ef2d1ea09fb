"""People at a terminal, with the released clients installed, and what the clients show them."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.message import Message
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from tests.clients.warm import warm
from tests.keystone import Keystone, Person

#: Seconds that a command may take; each takes about one.
PATIENCE = 180

#: Wide enough that messages are not wrapped.
COLUMNS = "400"


@dataclass(frozen=True)
class Shown:
    """What a command showed, and its exit status."""

    command: str
    status: int
    raw: bytes
    complaint: str

    @cached_property
    def text(self) -> str:
        return self.raw.decode()

    @property
    def json(self) -> Any:
        """The output of `openstack … -f json`."""
        return json.loads(self.raw)

    @property
    def rows(self) -> list[dict[str, str]]:
        """A table of `glance`, each row by the names of the columns."""
        head, *rows = self._cells()
        return [dict(zip(head, row, strict=True)) for row in rows]

    @property
    def fields(self) -> dict[str, str]:
        """A table of `glance` with properties and values."""
        found: dict[str, str] = {}
        name = ""
        for label, value in self._cells()[1:]:
            name = label or name  # a long value is continued in a row without a name
            found[name] = found.get(name, "") + value
        return found

    def _cells(self) -> list[list[str]]:
        lines = [line for line in self.text.splitlines() if line.startswith("| ")]
        return [[cell.strip() for cell in line[1:-1].split(" | ")] for line in lines]


@dataclass(frozen=True)
class Answer:
    """What the service answered to a plain HTTP request."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class User:
    """One person: the environment the person's clients find, and the headers that say who it is."""

    programs: Path
    folder: Path
    url: str
    openstack_environment: Mapping[str, str]
    glance_environment: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)

    def at(self, url: str) -> Self:
        """The same person in front of another service, for plain requests."""
        return replace(self, url=url)

    def with_headers(self, headers: Mapping[str, str]) -> Self:
        """The same person, whose plain requests say something else."""
        return replace(self, headers=headers)

    def with_environment(self, more: Mapping[str, str]) -> Self:
        """The same person with more in the environment of all clients."""
        return replace(
            self,
            openstack_environment={**self.openstack_environment, **more},
            glance_environment={**self.glance_environment, **more},
        )

    def with_glance_environment(self, environment: Mapping[str, str]) -> Self:
        """The same person with another environment for `glance`."""
        return replace(self, glance_environment=environment)

    def openstack(self, *arguments: str | Path, status: int = 0) -> Shown:
        """Run `openstack …`; fail unless it exits with `status`."""
        return self._run("openstack", arguments, self.openstack_environment, status)

    def glance(
        self, *arguments: str | Path, status: int = 0, standard_input: bytes | None = None
    ) -> Shown:
        """Run `glance …`; fail unless it exits with `status`."""
        return self._run("glance", arguments, self.glance_environment, status, standard_input)

    def script(self, path: Path, *arguments: str | Path) -> Any:
        """Run a Python program with openstacksdk; what it prints, as JSON."""
        printed = subprocess.run(
            [self.programs / "python", path, *arguments],
            env=_environment(self.openstack_environment),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=PATIENCE,
            check=True,
        ).stdout
        return json.loads(printed)

    def glance_at_terminal(self, *arguments: str | Path) -> str:
        """What `glance …` shows on a terminal, where progress is drawn."""
        ours, theirs = os.openpty()
        with subprocess.Popen(
            [self.programs / "glance", *arguments],
            env=_environment(self.glance_environment),
            cwd=self.folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        ) as process:
            os.close(theirs)
            shown = _all_of(ours)
            assert process.wait(PATIENCE) == 0, shown
        return shown

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a plain HTTP request; a body that is not bytes goes as JSON."""
        given = {**self.headers, **(headers or {})}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def put_image(self, name: str, data: bytes | None = None, **fields: object) -> str:
        """Make an image by plain HTTP, with data when given; its id."""
        wanted = {"name": name, "disk_format": "raw", "container_format": "bare", **fields}
        made = self.ask("POST", "/v2/images", wanted)
        assert made.status == 201, made
        id_ = str(made.json["id"])
        if data is not None:
            octets = {"Content-Type": "application/octet-stream"}
            answer = self.ask("PUT", f"/v2/images/{id_}/file", data, octets)
            assert answer.status == 204, answer
        return id_

    def _run(
        self,
        program: str,
        arguments: tuple[str | Path, ...],
        environment: Mapping[str, str],
        status: int,
        standard_input: bytes | None = None,
    ) -> Shown:
        # A terminal in front: from anything else the clients would read the data of an image.
        ours, theirs = os.openpty()
        try:
            done = warm(self.programs).run(
                program,
                [str(part) for part in arguments],
                _environment(environment),
                self.folder,
                theirs if standard_input is None else standard_input,
                PATIENCE,
            )
        finally:
            os.close(ours)
            os.close(theirs)
        command = f"{program} {' '.join(str(part) for part in arguments)}"
        shown = Shown(command, done.returncode, done.stdout, done.stderr.decode())
        assert shown.status == status, shown
        return shown


def user_of(keystone: Keystone, person: Person, programs: Path, folder: Path, url: str) -> User:
    """A person whom a Keystone knows, in front of the image service at `url`."""
    environment = keystone.environment(person)
    token = {"X-Auth-Token": keystone.token(person)}
    return User(programs, folder, url, environment, environment, token)


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    return {**clean, "COLUMNS": COLUMNS, "PYTHONWARNINGS": "ignore", **extra}


def _all_of(terminal: int) -> str:
    shown = b""
    try:
        while block := os.read(terminal, 65536):
            shown += block
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(terminal)
    return shown.decode()
