"""What the client does with answers that are not those of an image service."""

import io
import json
from pathlib import Path

import pytest
from strangers import Request, stranger
from terminal import Terminal

from calotype_client import Client, connect
from calotype_client.errors import Error, Refused
from calotype_client.model import Image

TOKEN = "secret-token"
IMAGE = {
    **{"id": "6c2f1a0e-9d0b-4d3c-8b75-3a1a3cbb1c0d", "status": "active", "visibility": "private"},
    **{"size": 4, "name": "x"},
}


def having_a_token(url: str) -> Client:
    return connect(auth_type="admin_token", auth={"endpoint": url, "token": TOKEN})


def open_to_all(url: str) -> Client:
    return connect(auth_type="none", auth={"endpoint": url})


def test_the_token_does_not_follow_elsewhere() -> None:
    with (
        stranger(lambda request: request.give(200, b'{"images": []}')) as other,
        stranger(lambda it: it.give(302, Location=f"{other.url}{it.path}")) as service,
    ):
        client = having_a_token(service.url)
        with pytest.raises(Refused, match="names another address, which is not followed: http"):
            list(client.images.list())
        with pytest.raises(Refused, match="not followed"):
            client.data.download(Image.of(IMAGE), io.BytesIO())
        assert [it.headers["X-Auth-Token"] for it in service.asked] == [TOKEN] * 2
        assert other.asked == []


@pytest.mark.parametrize("status", [300, 304, 307])
def test_an_upload_that_is_sent_elsewhere_has_not_happened(status: int) -> None:
    def answer(request: Request) -> None:
        request.rfile.read(int(request.headers["Content-Length"]))
        request.give(status)

    with stranger(answer) as service, pytest.raises(Refused) as refused:
        open_to_all(service.url).data.upload(Image.of(IMAGE), io.BytesIO(b"data"))
    assert refused.value.status == status


@pytest.mark.parametrize(
    "body", [b"<html>Welcome to nginx!</html>", b"{}", b"[]", b"", b'{"images": [{}]}', b"\xff"]
)
@pytest.mark.parametrize("words", [("image", "list"), ("image", "show", "x"), ("store", "list")])
def test_somebody_else_is_there(anybody: Terminal, words: tuple[str, ...], body: bytes) -> None:
    with stranger(lambda request: request.give(200, body)) as service:
        said = anybody.having(OS_ENDPOINT=service.url).complaint(*words)
    assert said.startswith(f"What answers at {service.url} is no image service: GET /v2/")


def test_a_page_of_an_error_is_one_short_line() -> None:
    page = b"<html><head><title>Too much</title></head><body>" + b"very " * 500 + b"</body></html>"
    with (
        stranger(lambda request: request.give(418, page)) as service,
        pytest.raises(Refused, match=r"^Too much very very") as refused,
    ):
        list(open_to_all(service.url).images.list())
    assert len(str(refused.value)) <= 300 and "<" not in str(refused.value)


def test_what_the_service_says_is_not_changed() -> None:
    body = json.dumps({"message": "Property <a> is reserved"}).encode()
    with (
        stranger(lambda request: request.give(403, body)) as service,
        pytest.raises(Refused, match=r"^Property <a> is reserved$"),
    ):
        list(open_to_all(service.url).images.list())


@pytest.mark.parametrize("status", [502, 503, 504])
def test_what_is_before_the_service_may_stumble(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calotype_client.segments.PAUSE", 0)

    def answer(request: Request) -> None:
        if len(request.server.asked) == 2:
            request.give(status, b"<html>Bad Gateway</html>")
        elif len(request.server.asked) == 1:
            request.give(200, b"da", Content_Length="4")
        else:
            assert request.headers["Range"] == "bytes=2-3"
            request.give(206, b"ta", Content_Range="bytes 2-3/4")

    with stranger(answer) as service:
        open_to_all(service.url).data.download(Image.of(IMAGE), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"data"


def test_credentials_of_an_endpoint_are_not_said(anybody: Terminal) -> None:
    alone = anybody.having(OS_ENDPOINT="http://me:pass-word@127.0.0.1:9")
    said = alone.complaint("image", "create", "x", "--file", "/dev/null")
    assert "127.0.0.1:9" in said and "pass-word" not in said


@pytest.mark.parametrize("wrong", [b"atad", b"data and more"])
def test_a_node_with_other_data(
    wrong: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    digest = "8d777f385d3dfec8815d20f7496026dc"  # md5 of b"data"
    image = Image.of({**IMAGE, "checksum": digest})
    told: list[int] = []
    with (
        stranger(lambda request: request.give(200, wrong)) as node,
        stranger(lambda request: request.give(200, b"data")) as service,
    ):
        open_to_all(service.url).data.download(
            image, tmp_path / "back", nodes=[node.url], progress=told.append
        )
    assert (tmp_path / "back").read_bytes() == b"data"
    assert (sum(told), len(node.asked), len(service.asked)) == (4, 1, 1)
    assert len(caplog.records) == 1


def test_only_a_node_with_other_data(tmp_path: Path) -> None:
    image = Image.of({**IMAGE, "checksum": "0" * 32})
    with (
        stranger(lambda request: request.give(200, b"data")) as service,
        pytest.raises(Error, match="not what its md5 says"),
    ):
        open_to_all(service.url).data.download(image, tmp_path / "back", nodes=[service.url])
    assert list(tmp_path.iterdir()) == []


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "back").touch(0o600)
    with stranger(lambda request: request.give(200, b"data")) as service:
        open_to_all(service.url).data.download(Image.of(IMAGE), tmp_path / "back")
    assert (tmp_path / "back").stat().st_mode & 0o777 == 0o600
