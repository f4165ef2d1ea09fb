"""The http store: what it reads of real servers, polite ones and others, and what it never asks."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from calotype import errors
from calotype.model.location import Location
from calotype.remote.uri_filter import UriFilter
from calotype.stores.http import HttpStore
from calotype.stores.http_settings import HttpSettings
from calotype.stores.store import Source, Store
from tests.remote.data_server import DataServer, Manners, giving
from tests.stores.sources import content
from tests.stores.suite import StoreSuite, whole

DATA = content(3 * (1 << 20) + 5)

#: Servers as they are met: with and without ranges, without HEAD.
MANNERS = {
    "all": Manners(),
    "no ranges": Manners(ranges=False),
    "no HEAD": Manners(heads=False),
}


def passing(server: DataServer, **more: object) -> UriFilter:
    """A filter that lets through to a server on loopback, and to no other port."""
    more = {"allowed_hosts": ["127.0.0.1"], "allowed_ports": [server.port], "name": "url", **more}
    return UriFilter(**more)  # type: ignore[arg-type]


def reader(server: DataServer, settings: HttpSettings | None = None, **more: object) -> HttpStore:
    return HttpStore(settings or HttpSettings(), passing(server, **more))


class Published:
    """A store that publishes what is put on a web server, and reads it by the http store."""

    def __init__(self, server: DataServer) -> None:
        self._server = server
        self._store = reader(server)
        self.traits = self._store.traits
        self.read, self.size = self._store.read, self._store.size
        self.check = self._store.check

    def put(self, key: str, source: Source, size: int | None) -> Location:
        data = bytearray()
        while block := source.read(1 << 20):
            data += block
        self._server.files[f"/{key}"] = bytes(data)
        return Location(f"{self._server.url}/{key}")

    def delete(self, location: Location) -> None:
        del self._server.files["/" + location.url.rpartition("/")[2]]


@pytest.fixture
def server() -> Iterator[DataServer]:
    with giving() as running:
        yield running


@pytest.fixture(params=MANNERS)
def polite(request: pytest.FixtureRequest, server: DataServer) -> DataServer:
    """A server of each kind."""
    server.manners = MANNERS[request.param]
    return server


class TestReading:
    """Those tests of the suite that read, of servers of each kind."""

    @pytest.fixture
    def store(self, polite: DataServer) -> Store:
        return Published(polite)

    test_gives_back_what_was_put = StoreSuite.test_gives_back_what_was_put
    test_gives_back_large_data = StoreSuite.test_gives_back_large_data
    test_keeps_images_apart = StoreSuite.test_keeps_images_apart
    test_a_location_is_enough_to_find_the_data = (
        StoreSuite.test_a_location_is_enough_to_find_the_data
    )
    test_gives_a_part = StoreSuite.test_gives_a_part
    test_reading_may_stop_anywhere = StoreSuite.test_reading_may_stop_anywhere


def test_a_part_is_asked_for_as_one(server: DataServer) -> None:
    server.files["/x"] = DATA
    store, place = reader(server), Location(f"{server.url}/x")
    assert b"".join(store.read(place, 5, 7)) == DATA[5:12]
    assert b"".join(store.read(place, 5)) == DATA[5:]
    assert whole(store, place) == DATA
    assert [part for *_, part in server.asked] == ["bytes=5-11", "bytes=5-", None]


# -- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 410])
def test_data_that_is_not_there(server: DataServer, status: int) -> None:
    server.manners = Manners(heads=False, fail=[status] * 4)
    store, place = reader(server), Location(f"{server.url}/x")
    for ask in (store.size, store.read):
        with pytest.raises(errors.DataNotFound):
            ask(place)
    with pytest.raises(errors.DataNotFound):
        store.read(place, 0, 0)


@pytest.mark.parametrize("status", [400, 401, 403, 416, 500, 503, 204, 304])
def test_an_answer_that_gives_nothing(server: DataServer, status: int) -> None:
    server.files["/x"] = DATA
    server.manners = Manners(heads=False, fail=[status] * 2)
    store, place = reader(server), Location(f"{server.url}/x")
    with pytest.raises(errors.StoreUnavailable, match=str(status)):
        store.read(place)
    if status != 204:  # which has a length, though no data
        with pytest.raises(errors.StoreUnavailable, match=str(status)):
            store.size(place)


def test_data_that_ends_too_early_is_an_error(server: DataServer) -> None:
    server.files["/x"] = DATA
    server.manners = Manners(cut=3)
    store, place = reader(server), Location(f"{server.url}/x")
    with pytest.raises(errors.StoreUnavailable, match="3 bytes too early"):
        whole(store, place)
    with pytest.raises(errors.StoreUnavailable, match="3 bytes too early"):
        list(store.read(place, 10))


def test_a_server_that_does_not_say_how_long_the_data_is(server: DataServer) -> None:
    server.files["/x"] = DATA
    server.manners = Manners(lengths=False)
    store, place = reader(server), Location(f"{server.url}/x")
    assert whole(store, place) == DATA
    with pytest.raises(errors.StoreUnavailable, match="how long"):
        store.size(place)


def test_a_part_that_was_not_asked_for(server: DataServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["/x"] = DATA
    monkeypatch.setattr(server.RequestHandlerClass, "send_header", wrong_part)
    with pytest.raises(errors.StoreError, match="another part"):
        reader(server).read(Location(f"{server.url}/x"), 5, 7)


def wrong_part(self: object, name: str, value: str) -> None:
    from http.server import BaseHTTPRequestHandler

    value = value.replace("bytes 5-", "bytes 6-") if name == "Content-Range" else value
    BaseHTTPRequestHandler.send_header(self, name, value)  # type: ignore[arg-type]


def test_a_server_that_is_away(server: DataServer) -> None:
    store, place = reader(server), Location(f"{server.url}/x")
    server.shutdown()
    server.server_close()
    for ask in (store.size, store.read):
        with pytest.raises(errors.StoreUnavailable, match="Connection refused"):
            ask(place)


def test_it_neither_writes_nor_deletes(server: DataServer) -> None:
    store = reader(server)
    assert not store.traits.writable
    store.check()
    with pytest.raises(errors.StoreReadOnly):
        store.put("key", StoppedSource(), None)
    with pytest.raises(errors.Unsupported):
        store.delete(Location(f"{server.url}/x"))
    assert server.asked == []


class StoppedSource:
    def read(self, size: int, /) -> bytes:
        raise AssertionError("nothing is read")


def test_what_it_recognizes() -> None:
    store = HttpStore(HttpSettings(), UriFilter())
    assert store.recognizes("HTTPS://images.example/x") and store.recognizes("http://a/")
    assert not store.recognizes("file:///http://a") and not store.recognizes("httpx://a/")


# -- the filter ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("http://169.254.169.254/latest/meta-data", "the host 169.254.169.254 is not allowed"),
        ("http://127.0.0.1:1/", "the port 1 is not allowed"),
        ("file:///etc/passwd", "must begin with http"),
        ("http://user:secret@127.0.0.1/", "must not hold a user"),
    ],
)
def test_each_redirect_passes_the_filter(server: DataServer, where: str, says: str) -> None:
    server.files["/there"] = DATA
    server.elsewhere = {"/x": "/y", "/y": f"{server.url}/there", "/z": where}
    store = reader(server)
    assert whole(store, Location(f"{server.url}/x")) == DATA
    assert store.size(Location(f"{server.url}/x")) == len(DATA)
    for ask in (store.size, store.read):
        with pytest.raises(errors.StoreUnavailable, match=f"url: {says}") as refusal:
            ask(Location(f"{server.url}/z"))
        assert "secret" not in refusal.value.message


def test_redirects_have_an_end(server: DataServer) -> None:
    server.elsewhere["/x"] = "/x"
    with pytest.raises(errors.StoreUnavailable, match="more than 10 times"):
        reader(server).read(Location(f"{server.url}/x"))
    assert len(server.asked) == 11


def test_a_name_that_leads_home_later_is_not_followed(server: DataServer) -> None:
    """It is looked at in each read, not only when the location was registered."""
    server.files["/x"] = DATA
    store = reader(server, allowed_hosts=[], resolve=lambda host, port: ["127.0.0.1"])
    with pytest.raises(errors.StoreUnavailable, match="this machine"):
        store.read(Location(f"http://images.example:{server.port}/x"))
    assert server.asked == []


# -- TLS -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(
    tmp_path_factory: pytest.TempPathFactory, missing_server: Callable[[str, str], None]
) -> Path:
    """A certificate of 127.0.0.1 that nobody trusts yet, with its key."""
    openssl = shutil.which("openssl") or ""
    if not openssl:
        missing_server("openssl", "openssl is not installed: apt-get install openssl")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", path.with_name("key"), "-out", path.with_name("cert")],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.with_name("key").read_text() + path.with_name("cert").read_text())
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[DataServer]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with giving(tls) as running:
        running.files["/x"] = DATA
        yield running


@pytest.mark.parametrize(
    ("options", "trusted"),
    [
        ({}, True),
        ({"https_insecure": True}, True),
        ({"https_insecure": False}, False),
        ({"https_insecure": False, "https_ca_certificates_file": "cert"}, True),
        ({"https_insecure": True, "https_ca_certificates_file": "cert"}, True),
    ],
)
def test_certificates(
    secure: DataServer, certificate: Path, options: dict[str, object], trusted: bool
) -> None:
    if "https_ca_certificates_file" in options:
        options = {**options, "https_ca_certificates_file": str(certificate.with_name("cert"))}
    store = reader(secure, HttpSettings.from_options(options))
    place = Location(f"{secure.url}/x")
    if trusted:
        assert whole(store, place) == DATA and store.size(place) == len(DATA)
    else:
        with pytest.raises(errors.StoreUnavailable):
            store.read(place)


def test_another_authority_is_not_trusted_whatever_https_insecure_says(
    secure: DataServer, missing_server: Callable[[str, str], None]
) -> None:
    """Who names an authority wants certificates checked."""
    bundle = ssl.get_default_verify_paths().cafile
    if bundle is None:
        missing_server("authorities", "no bundle of them: apt-get install ca-certificates")
    store = reader(secure, HttpSettings(ca_file=bundle, insecure=True))
    with pytest.raises(errors.StoreUnavailable):
        store.read(Location(f"{secure.url}/x"))


# -- proxies ---------------------------------------------------------------------------------------


class Proxy:
    """A proxy for one connection after the other; `asked`: the first lines it got."""

    def __init__(self, behind: DataServer) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self.asked: list[str] = []
        self._behind = behind
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._behind.port)) as server:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(65536)
            line, _, rest = head.partition(b"\r\n")
            self.asked.append(line.decode())
            if line.startswith(b"CONNECT"):
                client.sendall(b"HTTP/1.1 200 Yes\r\n\r\n")
            else:
                method, url, version = line.split()
                path = b"/" + url.split(b"/", 3)[3]
                server.sendall(b" ".join((method, path, version)) + b"\r\n" + rest)
            back = threading.Thread(target=pump, args=(server, client), daemon=True)
            back.start()
            pump(client, server)
            back.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def through() -> Iterator[Callable[[DataServer], Proxy]]:
    made: list[Proxy] = []

    def make(server: DataServer) -> Proxy:
        made.append(Proxy(server))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


def nowhere(host: str, port: int) -> list[str]:
    raise OSError("this network resolves no names")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_asked_for_its_scheme(
    server: DataServer,
    secure: DataServer,
    through: Callable[[DataServer], Proxy],
    scheme: str,
) -> None:
    behind = secure if scheme == "https" else server
    behind.files["/x?a=b"] = DATA
    proxy = through(behind)
    settings = HttpSettings.from_options({"http_proxy_information": {
        scheme: f"127.0.0.1:{proxy.address[1]}"}})  # fmt: skip
    uris = UriFilter(allowed_ports=[8099], resolve=nowhere)
    store = HttpStore(settings, uris)
    assert whole(store, Location(f"{scheme}://images.example:8099/x?a=b")) == DATA
    asked = "GET http://images.example:8099/x?a=b" if scheme == "http" else "CONNECT images.exampl"
    assert [line[: len(asked)] for line in proxy.asked] == [asked]


def test_a_proxy_is_not_asked_for_what_is_known_to_be_local(
    server: DataServer, through: Callable[[DataServer], Proxy]
) -> None:
    proxy = through(server)
    settings = HttpSettings(proxies={"http": proxy.address})
    with pytest.raises(errors.StoreUnavailable, match="this machine"):
        HttpStore(settings, UriFilter()).read(Location("http://169.254.169.254/x"))
    assert proxy.asked == []


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1:3128", ("10.0.0.1", 3128)),
        ("proxy", ("proxy", 80)),
        ("http://proxy:1080/", ("proxy", 1080)),
        ("[::1]:3128", ("::1", 3128)),
    ],
)
def test_how_a_proxy_is_written(text: str, address: tuple[str, int]) -> None:
    settings = HttpSettings.from_options({"http_proxy_information": {"http": text}})
    assert settings.proxies == {"http": address}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"http_proxy_information": {"ftp": "proxy:1"}}, "ftp"),
        ({"http_proxy_information": {"http": "proxy:x"}}, "host:port"),
        ({"http_proxy_information": {"http": ":1"}}, "host:port"),
        ({"http_proxy_information": {"http": "proxy:65536"}}, "host:port"),
        ({"https_ca_certificates_file": "/nowhere"}, "https_ca_certificates_file: /nowhere"),
    ],
)
def test_settings_that_are_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(errors.BadSettings, match=says):
        HttpSettings.from_options(options)
