"""What web-download may fetch, and above all what it may not."""

import pytest

from calotype import errors
from calotype.remote.uri_filter import Target, UriFilter, is_local

PASS = [
    ("http://images.example/a.img", Target("http", "images.example", 80, "/a.img")),
    ("HTTPS://Images.Example:443", Target("https", "images.example", 443, "/")),
    ("https://images.example.", Target("https", "images.example", 443, "/")),
    ("http://images.example/a?b=c&d#e", Target("http", "images.example", 80, "/a?b=c&d")),
    ("http://images.example/ä/%20", Target("http", "images.example", 80, "/%C3%A4/%20")),
    ("http://192.0.2.1/x", Target("http", "192.0.2.1", 80, "/x")),
    ("http://10.0.0.1/x", Target("http", "10.0.0.1", 80, "/x")),
    ("http://[2001:DB8:0::1]/x", Target("http", "2001:db8::1", 80, "/x")),
    ("http://bücher.example/", Target("http", "xn--bcher-kva.example", 80, "/")),
    ("http://my_host/", Target("http", "my_host", 80, "/")),
    ("http://1a.example/", Target("http", "1a.example", 80, "/")),
]


@pytest.mark.parametrize(("uri", "target"), PASS)
def test_what_passes(uri: str, target: Target) -> None:
    assert UriFilter().check(uri) == target


REFUSED = [
    ("", "http://"),
    ("images.example/a", "http://"),
    ("//images.example/a", "http://"),
    ("ftp://images.example/a", "http://"),
    ("file:///etc/passwd", "http://"),
    ("gopher://images.example", "http://"),
    ("http:///a", "host"),
    ("http://", "host"),
    ("http://user@images.example/", "user"),
    ("http://user:secret@images.example/", "user"),
    ("http://:@images.example/", "user"),
    ("http://images.example\\@evil.example/", "backslashes"),
    ("http://images.example/a b", "spaces"),
    ("http://images.example/\r\nHost: x", "control"),
    ("http://images.example:0x50/", "no address"),
    ("http://images.example:99999/", "no address"),
    ("http://images.example:8080/", "port 8080"),
    ("http://images.example:22/", "port 22"),
    ("http://images.example:0/", "port 0"),
    # the same host in other words
    ("http://127.1/", "usual form"),
    ("http://2130706433/", "usual form"),
    ("http://0x7f000001/", "usual form"),
    ("http://0x7f.0.0.1/", "usual form"),
    ("http://0177.0.0.1/", "usual form"),
    ("http://127.0.0.01/", "usual form"),
    ("http://127.0.0.1.1/", "usual form"),
    ("http://256.0.0.1/", "usual form"),
    ("http://0/", "usual form"),
    ("http://0x/", "usual form"),
    ("http://1.2.3/", "usual form"),
    ("http://[::1%25lo]/", "usual form"),
    ("http://[fe80::1%eth0]/", "usual form"),
    ("http://[1.2.3.4]/", "uri: "),
    ("http://[::ffff:127.0.0.1/", "uri: "),
    ("http://%31%32%37.0.0.1/", "usual form"),
    ("http://images..example/", "no name"),
    ("http://-images.example/", "no name"),
    ("http://a,b.example/", "no name"),
    ("http://images.example..", "no name"),
]


@pytest.mark.parametrize(("uri", "says"), REFUSED)
def test_what_is_refused(uri: str, says: str) -> None:
    with pytest.raises(errors.Invalid, match=says) as caught:
        UriFilter().check(uri)
    assert caught.value.message.startswith("uri: ")
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("digits", ["１２７.0.0.1", "①②⑦.0.0.1", "127。0。0。1"])
def test_digits_of_other_scripts_are_the_digits_they_stand_for(digits: str) -> None:
    uris = UriFilter(resolve=lambda host, port: [host])
    with pytest.raises(errors.Error):
        uris.addresses(uris.check(f"http://{digits}/"))


LISTS = [
    ({"allowed_schemes": ["https"]}, "http://a.example/", False),
    ({"allowed_schemes": ["https"], "disallowed_schemes": ["https"]}, "https://a.example/", True),
    ({"allowed_schemes": [], "disallowed_schemes": ["http"]}, "http://a.example/", False),
    ({"allowed_schemes": [], "disallowed_schemes": ["http"]}, "https://a.example/", True),
    ({"allowed_schemes": [], "disallowed_schemes": []}, "ftp://a.example/", False),
    ({"allowed_hosts": ["a.example"]}, "http://A.example./", True),
    ({"allowed_hosts": ["A.Example"]}, "http://a.example/", True),
    ({"allowed_hosts": ["a.example"]}, "http://b.a.example/", False),
    ({"allowed_hosts": ["a.example"]}, "http://192.0.2.1/", False),
    ({"disallowed_hosts": ["a.example"]}, "http://a.example./", False),
    ({"disallowed_hosts": ["a.example"]}, "http://b.example/", True),
    ({"disallowed_hosts": ["10.0.0.1"]}, "http://10.0.0.1/", False),
    ({"disallowed_hosts": ["10.0.0.1"]}, "http://167772161/", False),
    ({"allowed_ports": [8080]}, "http://a.example/", False),
    ({"allowed_ports": [8080]}, "http://a.example:8080/", True),
    ({"allowed_ports": [443]}, "https://a.example/", True),
    ({"allowed_ports": [], "disallowed_ports": [22]}, "http://a.example:22/", False),
    ({"allowed_ports": [], "disallowed_ports": [22]}, "http://a.example:8080/", True),
    ({"allowed_ports": [], "disallowed_ports": [80]}, "http://a.example/", False),
]


@pytest.mark.parametrize(("lists", "uri", "passes"), LISTS)
def test_the_lists_of_the_operator(lists: dict[str, list[object]], uri: str, passes: bool) -> None:
    uris = UriFilter(**lists)  # type: ignore[arg-type]
    if passes:
        uris.check(uri)
    else:
        with pytest.raises(errors.Invalid):
            uris.check(uri)


LOCAL = [
    *("127.0.0.1", "127.8.9.10", "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1"),
    *("224.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "ff02::1", "fd00:ec2::254"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0.0.0.0"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
]
ELSEWHERE = [
    *("192.0.2.1", "8.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
    *("2001:db8::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::808:808"),
]


@pytest.mark.parametrize("address", LOCAL)
def test_addresses_of_this_machine_and_its_link_are_refused(address: str) -> None:
    assert is_local(address)
    uris = UriFilter(resolve=lambda host, port: ["192.0.2.1", address])
    with pytest.raises(errors.Denied, match="only if the operator allows the host"):
        uris.addresses(uris.check("http://rebound.example/"))


@pytest.mark.parametrize("address", ELSEWHERE)
def test_other_addresses_are_not(address: str) -> None:
    assert not is_local(address)
    uris = UriFilter(resolve=lambda host, port: [address])
    assert uris.addresses(uris.check("http://a.example/")) == [address]


def test_a_host_that_the_operator_allows_may_be_local() -> None:
    uris = UriFilter(allowed_hosts=["mirror"], resolve=lambda host, port: ["127.0.0.1"])
    assert uris.addresses(uris.check("http://mirror/")) == ["127.0.0.1"]


def test_a_host_that_cannot_be_found() -> None:
    def fail(_host: str, _port: int) -> list[str]:
        raise OSError("Name or service not known")

    for resolve in (fail, lambda host, port: []):
        uris = UriFilter(resolve=resolve)
        with pytest.raises(errors.StoreUnavailable, match=r"a\.example"):
            uris.addresses(uris.check("http://a.example/"))


def test_the_host_header_names_the_port_only_when_it_is_unusual() -> None:
    uris = UriFilter(allowed_ports=[])
    said = [uris.check(uri).authority for uri in ("http://a/", "https://a:80/", "http://[::2]:8/")]
    assert said == ["a", "a:80", "[::2]:8"]
