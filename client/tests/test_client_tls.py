"""Behind TLS: whom the client trusts, and what it says of others."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from front import COOKIE, Front, front, make_authority
from terminal import Terminal

from calotype_client import Client, connect
from calotype_client.errors import NotTrusted
from tests.servers import Missing
from tests.service import Service


@pytest.fixture(scope="module")
def secure(
    open_service: Service,
    tmp_path_factory: pytest.TempPathFactory,
    missing_server: Callable[[str, str], None],
) -> Iterator[Front]:
    """nginx in front of the service, with a certificate of an authority that nobody knows."""
    try:
        with front(tmp_path_factory.mktemp("front"), open_service.port) as running:
            yield running
    except Missing as reason:
        missing_server("nginx", str(reason))


@pytest.fixture
def visitor(anybody: Terminal, secure: Front) -> Terminal:
    return anybody.having(OS_ENDPOINT=secure.url)


@pytest.mark.parametrize("way", ["option", "variable", "insecure"])
def test_calls_and_data(visitor: Terminal, secure: Front, disk: Path, way: str) -> None:
    option, variable = {
        "option": (["--os-cacert", secure.authority], {}),
        "variable": ([], {"OS_CACERT": str(secure.authority)}),
        "insecure": (["--insecure"], {}),
    }[way]
    person, data = visitor.having(**variable), disk.read_bytes()
    shown = person.type(*option, "image", "create", way, "--file", disk, "-f", "value", "-c", "id")
    image_id = shown.text.strip()
    assert shown.complaint == ""
    piped = (*option, "image", "create", way, "--file", "-", "-f", "json")
    assert person.type(*piped, stdin=data).json["size"] == len(data)
    shown = person.type(*option, "image", "save", image_id)
    assert (shown.raw, shown.complaint) == (data, "")


@pytest.mark.parametrize("words", ["image list", "image create untrusted --file disk"])
def test_whom_nobody_vouches_for(visitor: Terminal, secure: Front, words: str) -> None:
    (visitor.folder / "disk").write_bytes(b"data")
    other = make_authority(visitor.folder, "other")
    host = secure.url.removeprefix("https://")
    for person in (visitor, visitor.having(OS_CACERT=str(other))):
        said = person.complaint(*words.split())
        assert said.startswith(f"The certificate of {host} is not trusted: ")
        assert said.endswith(
            "Say who vouches for it by --os-cacert FILE (OS_CACERT), or ask nobody by --insecure"
        )
        assert len(said) < 300


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_data_asks_for_itself(client: Client, secure: Front, tmp_path: Path, host: str) -> None:
    """The connection that data goes over is not that of calls: it must be as careful."""
    image = client.images.create(name="careful", disk_format="raw", container_format="bare")
    url = secure.url.replace("127.0.0.1", host)
    trusts = {} if host == "127.0.0.1" else {"verify": True, "cacert": str(secure.authority)}
    there = connect(auth_type="none", auth={"endpoint": url}, **trusts)
    with pytest.raises(NotTrusted, match="is not trusted"):
        there.data.upload(image, io.BytesIO(b"data"))
    with pytest.raises(NotTrusted, match="is not trusted"):
        there.data.download(replace(image, status="active", size=4), tmp_path / "back")
    assert client.images.get(image.id).status == "queued"
    assert list(tmp_path.iterdir()) == []


def test_another_name(visitor: Terminal, secure: Front) -> None:
    there = secure.url.replace("127.0.0.1", "localhost")
    person = visitor.having(OS_ENDPOINT=there, OS_CACERT=str(secure.authority))
    said = person.complaint("image", "list")
    assert "certificate is not valid for 'localhost'" in said


def test_an_identity_that_nobody_vouches_for(visitor: Terminal, secure: Front) -> None:
    someone = {"OS_AUTH_TYPE": "password", "OS_AUTH_URL": f"{secure.url}/v3"}
    names = {"OS_USERNAME": "mary", "OS_PASSWORD": "word", "OS_PROJECT_NAME": "blue"}
    domains = {"OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default"}
    said = visitor.having(**someone, **names, **domains).complaint("image", "list")
    assert said.startswith(f"The certificate of {secure.url.removeprefix('https://')} is not")


def test_a_bundle_that_is_not_there(visitor: Terminal) -> None:
    assert "no/such.pem" in visitor.complaint("--os-cacert", "no/such.pem", "image", "list")


def test_plain_where_tls_is_expected(anybody: Terminal, open_service: Service) -> None:
    host = f"127.0.0.1:{open_service.port}"
    said = anybody.having(OS_ENDPOINT=f"https://{host}").complaint("image", "list")
    assert said == f"{host} does not speak TLS: its address may begin with http:"


def test_cookies_are_masked(visitor: Terminal, secure: Front, disk: Path) -> None:
    trusting = visitor.having(OS_CACERT=str(secure.authority))
    said = trusting.type("--debug", "image", "list").complaint
    assert "Set-Cookie: route=***; Path=/" in said
    assert COOKIE not in said
