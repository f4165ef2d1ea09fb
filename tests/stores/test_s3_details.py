"""What the S3 store does beyond what every store must, mostly on radosgw."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from botocore import exceptions

from calotype import errors
from calotype.model.location import Location
from calotype.stores import s3_parts
from calotype.stores.s3 import S3Settings, S3Store
from calotype.stores.s3_address import Address, Login
from calotype.stores.s3_parts import Cut
from calotype.stores.store import UNFINISHED
from tests.backends.ceph import Radosgw
from tests.stores.sources import Stream, content
from tests.stores.suite import FAR_FUTURE, new_key, whole
from tests.stores.test_s3 import Direct, settings_of

MIB = 1 << 20
OPTIONS = {
    "s3_store_host": "s3.example.com",
    "s3_store_access_key": "key",
    "s3_store_secret_key": "secret",
    "s3_store_bucket": "images",
}


@pytest.fixture(scope="module")
def settings(radosgw: Radosgw) -> S3Settings:
    wanted = settings_of(radosgw.url, radosgw.access_key, radosgw.secret_key, bucket="details")
    S3Store(wanted)._connection.need_bucket()
    return wanted


@pytest.fixture(scope="module")
def store(settings: S3Settings) -> S3Store:
    return S3Store(settings)


@pytest.fixture
def direct(settings: S3Settings) -> Direct:
    return Direct(settings)


# -- settings and addresses -----------------------------------------------------------------------


@pytest.mark.parametrize("missing", sorted(OPTIONS))
def test_what_must_be_set(missing: str) -> None:
    with pytest.raises(errors.BadSettings, match=missing):
        S3Settings.from_options({**OPTIONS, missing: ""})


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("s3.example.com", "s3://s3.example.com/images/id"),
        ("http://s3.example.com:81/", "s3://s3.example.com:81/images/id"),
        ("https://s3.example.com", "s3+https://s3.example.com/images/id"),
    ],
)
def test_urls_are_written_as_glance_writes_them(host: str, url: str) -> None:
    settings = S3Settings.from_options({**OPTIONS, "s3_store_host": host})
    assert Address(settings.host, "images", "id").url(settings.scheme) == url
    assert S3Store(settings).recognizes(url)


def test_old_urls_hold_a_login_that_is_not_shown() -> None:
    address = Address.parse("s3+https://key:se/cr+et@s3.example.com/images/id")
    assert (address.host, address.bucket, address.key) == ("s3.example.com", "images", "id")
    assert address.login == Login("key", "se/cr+et")
    assert "cr+et" not in repr(address) + repr(address.login) + address.url("s3")


def test_secrets_are_not_shown() -> None:
    settings = S3Settings.from_options({**OPTIONS, "s3_store_secret_key": "hidden"})
    assert "hidden" not in repr(settings) + repr(S3Store(settings).traits)


def test_virtual_addressing_names_the_bucket_in_the_host() -> None:
    options = {**OPTIONS, "s3_store_bucket_url_format": "virtual", "s3_store_region_name": "east"}
    client = S3Store(S3Settings.from_options(options))._connection.get()
    url = client.generate_presigned_url("get_object", Params={"Bucket": "images", "Key": "id"})
    assert url.startswith("http://images.s3.example.com/id?")
    assert client.meta.region_name == "east"


# -- parts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [5 * MIB, 10 * MIB])
def test_parts_of_data_of_unknown_size_hold_5_tib(part: int) -> None:
    cut = Cut(None, part)
    assert sum(cut.length(number) for number in range(1, 10_001)) >= 5 << 40
    assert max(map(cut.length, range(1, 10_001))) <= s3_parts.LARGEST_PART
    assert cut.length(1) == part


@pytest.mark.parametrize("size", [1, 100_000 * MIB, 100_000 * MIB + 1, 5 << 40])
def test_no_declared_size_has_too_many_parts(size: int) -> None:
    cut = Cut(size, 10 * MIB)
    assert -(-size // cut.length(1)) <= s3_parts.MOST_PARTS
    in_memory = cut.length(1) * cut.at_once(10)
    assert in_memory <= s3_parts.MEMORY or cut.length(1) > s3_parts.MEMORY


def test_more_than_an_object_holds_is_refused_at_once(store: S3Store) -> None:
    source = Stream(b"data")
    with pytest.raises(errors.StoreFull):
        store.put(new_key(), source, (5 << 40) + 1)
    assert source.position == 0


def parts_of(direct: Direct, key: str) -> int:
    """The number of parts of an object; 0 of one that was put in one request."""
    etag = direct.api.head_object(Bucket=direct.bucket, Key=key)["ETag"].strip('"')
    return int(etag.partition("-")[2] or 0)


@pytest.mark.parametrize(
    ("size", "declared", "parts"),
    [
        (2 * MIB - 1, True, 0),
        (2 * MIB, True, 1),
        (10 * MIB, True, 2),
        (10 * MIB + 1, True, 3),
        (5 * MIB - 1, False, 0),
        (5 * MIB, False, 1),
        (5 * MIB + 1, False, 2),
    ],
)
def test_data_goes_in_parts_by_its_size(
    store: S3Store, direct: Direct, size: int, declared: bool, parts: int
) -> None:
    key = new_key()
    location = store.put(key, Stream(content(size)), size if declared else None)
    assert parts_of(direct, key) == parts
    assert whole(store, location) == content(size)


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "unknown"])
def test_parts_that_do_not_fit_in_memory_lie_in_files(
    settings: S3Settings, direct: Direct, declared: bool
) -> None:
    key, data = new_key(), content(12 * MIB)
    store = S3Store(settings, memory=MIB)
    location = store.put(key, Stream(data), len(data) if declared else None)
    assert parts_of(direct, key) == 3
    assert whole(store, location) == data


def test_checksums_go_with_the_parts(settings: S3Settings) -> None:
    store, data = S3Store(replace(settings, checksums=True)), content(11 * MIB)
    for size in (MIB, len(data)):
        location = store.put(new_key(), Stream(data[:size]), size)
        assert whole(store, location) == data[:size]


def test_the_server_refuses_what_has_changed_on_the_way(store: S3Store, direct: Direct) -> None:
    client, key = store._connection.get(), new_key()
    client.meta.events.register("before-send.s3.PutObject", _send_other)
    try:
        with pytest.raises(errors.StoreError, match=r"SHA256|Digest|400"):
            store.put(key, Stream(b"right"), 5)
    finally:
        client.meta.events.unregister("before-send.s3.PutObject", _send_other)
    assert not any(key in name for name in direct.names())


def _send_other(request: object, **_: object) -> None:
    request.body = b"wrong"  # type: ignore[attr-defined]


# -- trouble --------------------------------------------------------------------------------------


def test_a_lost_answer_is_no_lost_upload(store: S3Store) -> None:
    """The data was stored, and nobody said so: then the upload has worked."""
    for name, size in [("PutObject", MIB), ("CompleteMultipartUpload", 6 * MIB)]:
        event, client = f"after-call.s3.{name}", store._connection.get()
        client.meta.events.register(event, _lose)
        try:
            location = store.put(new_key(), Stream(content(size)), size)
        finally:
            client.meta.events.unregister(event, _lose)
        assert whole(store, location) == content(size)


def _lose(**_: object) -> None:
    raise exceptions.ConnectionClosedError(endpoint_url="http://x")


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"access_key": "nobody"}, "s3_store_access_key"),
        ({"secret_key": "wrong"}, "s3_store_secret_key"),
        ({"bucket": "not-there", "create_bucket": False}, "s3_store_create_bucket_on_put"),
        ({"endpoint": "http://127.0.0.1:9"}, "s3_store_host"),
    ],
)
def test_check_says_which_option_to_look_at(
    settings: S3Settings, change: dict[str, object], hint: str
) -> None:
    wrong = S3Store(replace(settings, **change))  # type: ignore[arg-type]
    start = time.monotonic()
    with pytest.raises(errors.StoreUnavailable, match=hint) as caught:
        wrong.check()
    assert time.monotonic() - start < 10
    assert settings.secret_key not in str(caught.value)
    with pytest.raises(errors.StoreUnavailable):
        wrong.put(new_key(), Stream(b"data"), 4)


def test_a_proxy_of_the_environment_is_not_asked_for_what_is_here(
    settings: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    S3Store(settings).check()


class Cutting:
    """Passes connections on to a server, and cuts each after so many bytes of answers."""

    def __init__(self, port: int, after: int) -> None:
        self._port, self._after = port, after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cuts = 0
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            with near, far:
                up = threading.Thread(target=self._pass_on, args=(near, far, 1 << 40))
                up.start()
                self.cuts += self._pass_on(far, near, self._after)
                up.join()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket, most: int) -> bool:
        """Whether it was cut."""
        with suppress(OSError):
            while most > 0 and (block := source.recv(min(65_536, most))):
                target.sendall(block)
                most -= len(block)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        return most <= 0


@contextmanager
def cutting(url: str, after: int) -> Iterator[Cutting]:
    proxy = Cutting(int(url.rpartition(":")[2]), after)
    try:
        yield proxy
    finally:
        proxy.close()


def test_reading_goes_on_when_the_connection_breaks(store: S3Store, settings: S3Settings) -> None:
    key, data = new_key(), content(7 * MIB)
    store.put(key, Stream(data), len(data))
    with cutting(settings.endpoint, 3 * MIB) as proxy:
        through = S3Store(replace(settings, endpoint=f"http://127.0.0.1:{proxy.port}"))
        location = through.find(key)
        assert location is not None
        assert b"".join(through.read(location)) == data
        assert b"".join(through.read(location, 100, 5 * MIB)) == data[100 : 100 + 5 * MIB]
        through._connection.get().close()
    assert proxy.cuts >= 3


# -- what is left over ----------------------------------------------------------------------------

_DIES = """
import sys
from calotype.stores.s3 import S3Settings, S3Store
class Source:
    def __init__(self): self.given = 0
    def read(self, size):
        if self.given == 12 << 20:
            print("now", flush=True)
            sys.stdin.read()
        self.given += 1 << 20
        return bytes(1 << 20)
endpoint, access, secret, bucket, key = sys.argv[1:]
settings = S3Settings(endpoint, access, secret, bucket, large_object=0, part=5 << 20)
S3Store(settings).put(key, Source(), None)
"""


def test_what_a_killed_process_left_is_swept_away(
    store: S3Store, settings: S3Settings, direct: Direct
) -> None:
    key = new_key()
    words = (settings.endpoint, settings.access_key, settings.secret_key, settings.bucket, key)
    source = str(Path(s3_parts.__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", _DIES, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": source},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"now\n"
        process.send_signal(signal.SIGKILL)
    (left,) = (place for place in store.leftovers(FAR_FUTURE) if key in place.url)
    assert left.status == UNFINISHED
    assert left.url.endswith(key)
    assert store.size(left) == 10 * MIB
    assert left.url not in {place.url for place in store.leftovers(time.time() - 3600)}
    store.delete(left)
    assert not any(key in name for name in direct.names())
    with pytest.raises(errors.DataNotFound):
        store.delete(left)


def test_an_upload_that_was_swept_away_fails(store: S3Store, direct: Direct) -> None:
    key = new_key()

    class Swept(Stream):
        def read(self, size: int, /) -> memoryview:
            if self.position == 6 * MIB:
                for place in store.leftovers(FAR_FUTURE):
                    if key in place.url:
                        store.delete(place)
            return super().read(size)

    with pytest.raises(errors.StoreError, match="removed"):
        store.put(key, Swept(content(12 * MIB)), 12 * MIB)
    assert not any(key in name for name in direct.names())


# -- old urls -------------------------------------------------------------------------------------


def test_old_urls_are_read(
    store: S3Store, settings: S3Settings, direct: Direct, caplog: pytest.LogCaptureFixture
) -> None:
    """By our keys in our bucket, by those of the url in another one."""
    key = new_key()
    store.put(key, Stream(b"data"), 4)
    host, elsewhere = settings.host, replace(settings, bucket="elsewhere")
    old = Location(f"s3://gone:{'hidden'}@{host}/{settings.bucket}/{key}")
    assert store.recognizes(old.url)
    with caplog.at_level("DEBUG"):
        assert whole(store, old) == b"data"
        login = f"{settings.access_key}:{settings.secret_key}"
        other = Location(f"s3://{login}@{host}/{settings.bucket}/{key}")
        assert whole(S3Store(elsewhere), other) == b"data"
        with pytest.raises(errors.StoreUnavailable):
            whole(S3Store(elsewhere), old)
    assert "hidden" not in caplog.text
    assert settings.secret_key not in caplog.text


def test_another_host_is_never_asked(store: S3Store) -> None:
    with pytest.raises(errors.StoreUnavailable):
        store.size(Location("s3://key:secret@127.0.0.1:9/images/id"))


# -- copies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [20 * MIB, 5 * MIB], ids=["at once", "in parts"])
def test_the_server_copies(store: S3Store, settings: S3Settings, copied: int) -> None:
    key, data, told = new_key(), content(12 * MIB), []
    other = S3Store(replace(settings, bucket="copies"), copied=copied)
    location = store.put(key, Stream(data), len(data))
    copy = other.copy_within(key, store, location, told.append)
    assert whole(other, copy) == data
    assert copy.url != location.url
    assert told == sorted(told)
    assert told[-1] == len(data)
    with pytest.raises(errors.DataExists) as caught:
        other.copy_within(key, store, location, told.append)
    assert caught.value.url == copy.url
    with pytest.raises(errors.DataNotFound):
        other.copy_within(key, store, Location(location.url[:-1]), told.append)
    assert Direct(other._settings).uploads() == set()


def test_other_services_copy_nothing(store: S3Store, settings: S3Settings) -> None:
    other = S3Store(replace(settings, access_key="another"))
    with pytest.raises(errors.Unsupported):
        other.copy_within(new_key(), store, Location("s3://x/y/z"), print)


# -- memory ---------------------------------------------------------------------------------------

_GROWS = """
import resource, sys
from calotype.stores.s3 import S3Settings, S3Store
from tests.stores.sources import Long
endpoint, access, secret, bucket, key, size, declared = sys.argv[1:]
settings = S3Settings(endpoint, access, secret, bucket, threads=64)
store, size = S3Store(settings), int(size)
store.check()
store.put("00000000-0000-0000-0000-" + key[-12:], Long(1000, every=1), 1000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store.put(key, Long(size, every=1), size if declared == "declared" else None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(
    ("declared", "size"), [("declared", 99 * MIB), ("declared", 200 * MIB), ("unknown", 200 * MIB)]
)
def test_an_upload_takes_no_more_than_64_mib(
    settings: S3Settings, declared: str, size: int
) -> None:
    key = new_key()
    words = (settings.endpoint, settings.access_key, settings.secret_key, settings.bucket, key)
    source = str(Path(s3_parts.__file__).parents[2])
    path = os.pathsep.join([source, str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", _GROWS, *words, str(size), declared],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert int(done.stdout) <= 64 << 10, "KiB"
