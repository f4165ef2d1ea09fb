"""Which cloud, and who: what is missing is said in one line; and what TLS must be at least."""

import io
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from front import make_certificate
from strangers import Request, stranger
from terminal import Terminal

from calotype_client import Client, connect
from calotype_client.errors import NotConnected, Refused
from tests.servers import Missing

#: A port at which nobody listens.
NOWHERE = "http://127.0.0.1:9"
PERSON = {
    "OS_AUTH_URL": f"{NOWHERE}/v3",
    "OS_USERNAME": "mary",
    "OS_PASSWORD": "secret",
    "OS_PROJECT_NAME": "blue",
    "OS_USER_DOMAIN_ID": "default",
    "OS_PROJECT_DOMAIN_ID": "default",
}
NONE = {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": NOWHERE}


def without(name: str) -> dict[str, str]:
    return {other: value for other, value in PERSON.items() if other != name}


@pytest.mark.parametrize(
    ("identity", "said"),
    [
        ({}, "No cloud is named. Say which cloud: by OS_CLOUD"),
        (without("OS_PASSWORD"), "There is no password: set OS_PASSWORD"),
        (without("OS_USERNAME"), "There is no username: set OS_USERNAME"),
        ({**NONE, "OS_AUTH_TYPE": "http_basic"}, "There is no username: set OS_USERNAME"),
        ({**NONE, "OS_ENDPOINT": "nonsense"}, "nonsense is no address of an image service"),
        ({**PERSON, "OS_AUTH_URL": "nonsense"}, "nonsense is no address of an identity service"),
        ({**NONE, "OS_TLS_MIN_VERSION": "1.1"}, "TLS cannot be used with tls_min_version 1.1"),
        ({**NONE, "OS_TLS_CIPHERS": "none"}, "TLS cannot be used with tls_ciphers none"),
    ],
)
def test_what_is_missing(anybody: Terminal, identity: dict[str, str], said: str) -> None:
    person = replace(anybody, identity=identity)
    assert person.complaint("image", "list", status=2).startswith(said)


def test_clouds_yaml_that_is_none(anybody: Terminal) -> None:
    file = anybody.folder / "clouds.yaml"
    file.write_text("clouds:\n  blue: [\n")
    person = anybody.having(OS_CLOUD="blue", OS_CLIENT_CONFIG_FILE=str(file))
    said = person.complaint("image", "list", status=2)
    assert str(file) in said and "line 3" in said


def test_keystone_is_not_there(anybody: Terminal) -> None:
    person = replace(anybody, identity=PERSON)
    assert "127.0.0.1:9" in person.complaint("image", "list")
    assert "WARNING" in person.type("--debug", "image", "list", status=1).complaint


@pytest.fixture(scope="module")
def certificate(
    tmp_path_factory: pytest.TempPathFactory, missing_server: Callable[[str, str], None]
) -> Path:
    """The authority of a certificate of 127.0.0.1, which is beside it."""
    try:
        return make_certificate(tmp_path_factory.mktemp("tls"))
    except Missing as reason:
        missing_server("openssl", str(reason))
        raise


def no_images(request: Request) -> None:
    """What a service without images answers, that takes none."""
    if request.command == "GET":
        request.give(200, b'{"images": []}')
    else:
        request.give(501, b"PUT is not known here")


@contextmanager
def old_server(certificate: Path) -> Iterator[str]:
    """A server that speaks TLS 1.2 and no newer one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(
        certificate.with_name("server.pem"), certificate.with_name("server.key")
    )
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with stranger(no_images, context) as server:
        yield server.url


def test_tls_is_new_enough(anybody: Terminal, certificate: Path) -> None:
    with old_server(certificate) as url:
        person = anybody.having(OS_ENDPOINT=url, OS_CACERT=str(certificate))
        assert person.json("--tls-min-version", "1.2", "image", "list") == []
        said = person.complaint("--tls-min-version", "1.3", "image", "list")
        assert said.endswith("PROTOCOL_VERSION")
        old = person.having(OS_TLS_CIPHERS="ECDHE-RSA-AES128-GCM-SHA256")  # the key is another
        assert old.complaint("image", "list").endswith("HANDSHAKE_FAILURE")


def test_tls_is_new_enough_for_data(certificate: Path, client: Client) -> None:
    image = client.images.create(name="tls", disk_format="raw", container_format="bare")

    def upload(url: str, **tls: str) -> None:
        cloud = connect(auth_type="none", auth={"endpoint": url}, cacert=str(certificate), **tls)
        cloud.data.upload(image, io.BytesIO(b"data"))

    with old_server(certificate) as url:
        with pytest.raises(NotConnected, match=r"(?i)protocol.version"):
            upload(url, tls_min_version="1.3")
        with pytest.raises(NotConnected, match=r"(?i)handshake"):
            upload(url, tls_ciphers="ECDHE-RSA-AES128-GCM-SHA256")
        with pytest.raises(Refused, match="PUT"):  # which this server does not know
            upload(url, tls_min_version="1.2")
