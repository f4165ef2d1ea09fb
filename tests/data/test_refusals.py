"""Uploads that are refused: the client learns why, and nothing of the data remains."""

import struct
from collections.abc import Callable

import pytest

from calotype.db.engine import connect
from calotype.db.leases import Leases
from tests.data.site import Site, file_of, soon
from tests.data.wire import OCTETS, Wire
from tests.formats import samples
from tests.stores.sources import content

BLOCK = 1 << 20
CAP = 9 * BLOCK
DEFAULT = f"image_size_cap = {CAP}"

HEADER = "x-openstack-image-size"


@pytest.fixture
def image_id(site: Site) -> str:
    return site.new()


# -- the size that was declared --------------------------------------------------------------------


@pytest.mark.parametrize("size", [3, BLOCK, 3 * BLOCK + 1])
@pytest.mark.parametrize("off", [-3, -1, 1, BLOCK], ids=lambda off: f"{off:+}")
def test_a_body_of_another_size_than_declared(
    site: Site, image_id: str, size: int, off: int
) -> None:
    kept, log = site.kept(), site.log()
    answer = site.upload_chunked(image_id, content(size + off), X_OpenStack_Image_Size=size)
    assert answer.status == 400
    assert f"expected {size} bytes" in answer.message
    assert ("exceeds" if off > 0 else "mismatch") in answer.message
    (line,) = log.lines()
    assert " WARNING " in line
    assert image_id in line
    site.untouched(image_id)
    assert site.kept() == kept
    assert site.upload(image_id, b"the right data").status == 204


def test_an_empty_body_where_some_was_declared(site: Site, image_id: str) -> None:
    log = site.log()
    assert site.upload_chunked(image_id, b"", X_OpenStack_Image_Size=1).status == 400
    assert len(log.lines()) == 1
    site.untouched(image_id)


def test_a_body_that_is_too_long_is_not_read_to_its_end(site: Site, image_id: str) -> None:
    """What is too much is refused when it comes, not when it ends."""
    log = site.log()
    with site.wire() as wire:
        wire.head(
            "PUT",
            file_of(image_id),
            Content_Type=OCTETS,
            Transfer_Encoding="chunked",
            X_OpenStack_Image_Size=BLOCK,
        )
        wire.chunk(content(BLOCK + 5000))  # gunicorn reads up to 1 KiB ahead
        # Not the last chunk yet; but the server reads on for some seconds, so that a client which
        # listens only when it has sent everything gets to see the answer.
        assert soon(lambda: len(log.lines()) == 1)
        assert site.status(image_id) == "queued"
        assert not {name for name in site.kept() if image_id in name}
        wire.chunk(content(BLOCK))
        wire.chunk(b"")
        assert wire.answer().status == 400


@pytest.mark.parametrize(("declared", "sent"), [(10, 9), (9, 10), (1, 5 * BLOCK), (5 * BLOCK, 1)])
def test_a_declared_size_that_content_length_contradicts(
    site: Site, image_id: str, declared: int, sent: int
) -> None:
    log = site.log()
    answer = site.upload(image_id, content(sent), X_OpenStack_Image_Size=declared)
    assert answer.status == 400
    assert f"{HEADER} says {declared} bytes, Content-Length {sent}" in answer.message
    (line,) = log.lines()
    assert " WARNING " in line
    assert image_id in line
    site.untouched(image_id)


@pytest.mark.parametrize(
    "value",
    ["abc", "-1", "-0", "+5", "1.0", "1e3", "0x10", "", " ", "5 6", "1_000", "5,5", "²", "None"],
)
def test_a_header_that_is_no_size(site: Site, image_id: str, value: str) -> None:
    before, log = site.show(image_id), site.log()
    answer = site.upload_chunked(image_id, b"12345", X_OpenStack_Image_Size=value)
    assert answer.status == 400
    assert answer.message.startswith(f"{HEADER}: must be a whole number")
    assert site.show(image_id) == before
    assert log.quiet(), log.text()
    site.untouched(image_id)


def test_a_header_that_is_there_twice(site: Site, image_id: str) -> None:
    with site.wire() as wire:
        wire.send(
            f"PUT {file_of(image_id)} HTTP/1.1\r\nHost: x\r\nContent-Type: {OCTETS}\r\n"
            f"Content-Length: 1\r\n{HEADER}: 1\r\n{HEADER}: 1\r\n\r\n1".encode()
        )
        assert wire.answer().status == 400
    site.untouched(image_id)


@pytest.mark.parametrize("value", [CAP + 1, 1 << 62, 10**19 - 1, 10**19, 10**30, "9" * 5000])
def test_a_declared_size_beyond_all_limits(site: Site, image_id: str, value: object) -> None:
    before = site.show(image_id)
    answer = site.upload_chunked(image_id, b"12345", X_OpenStack_Image_Size=value)
    assert answer.status == 413, answer
    assert answer.message
    assert site.show(image_id) == before
    site.untouched(image_id)


# -- limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_image_size_cap(site: Site, image_id: str, chunked: bool) -> None:
    send = site.upload_chunked if chunked else site.upload
    answer = send(image_id, content(CAP + 1))
    assert answer.status == 413
    assert "image_size_cap" in answer.message
    assert str(CAP) in answer.message
    site.untouched(image_id)
    assert send(image_id, content(CAP)).status == 204
    assert site.show(image_id)["size"] == CAP


# -- what kind of data -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "media", ["text/plain", "application/json", "application/octet-streams", "x", ""]
)
def test_a_content_type_that_will_not_do(site: Site, image_id: str, media: str) -> None:
    answer = site.upload(image_id, content(BLOCK), Content_Type=media)
    assert answer.status == 415
    assert answer.message == f"Content-Type: must be {OCTETS}"
    site.untouched(image_id)


def test_no_content_type(site: Site, image_id: str) -> None:
    answer = site.ask("PUT", file_of(image_id), content(BLOCK))
    assert answer.status == 415
    site.untouched(image_id)


def with_backing_file() -> bytes:
    image, name = bytearray(samples.qcow2_header()), b"/etc/shadow"
    struct.pack_into(">QI", image, 8, 512, len(name))
    image[512 : 512 + len(name)] = name
    return bytes(image)


REFUSED: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "raw as qcow2": ("qcow2", lambda: content(3 * BLOCK), "disk_format is qcow2"),
    "qcow2 as vmdk": ("vmdk", samples.qcow2_header, "format qcow2"),
    "iso as qcow2": ("qcow2", samples.iso, "format iso"),
    "gpt as iso": ("iso", samples.gpt, "format gpt"),
    "nothing as qcow2": ("qcow2", lambda: b"", "disk_format is qcow2"),
    "one byte as iso": ("iso", lambda: b"x", "disk_format is iso"),
    "backing file": ("qcow2", with_backing_file, "backing_file"),
    "backing file as raw": ("raw", with_backing_file, "backing_file"),
    "two formats": ("qcow2", samples.qcow2_with_boot_sector, "gpt, qcow2"),
    "a description of other files": ("vmdk", samples.vmdk_text, "safety"),
}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("case", REFUSED)
def test_data_of_a_wrong_or_unsafe_format(site: Site, case: str, chunked: bool) -> None:
    disk_format, make, reason = REFUSED[case]
    image_id, kept = site.new(disk_format), site.kept()
    send = site.upload_chunked if chunked else site.upload
    answer = send(image_id, make())
    assert answer.status == 415, answer
    assert reason in answer.message
    site.untouched(image_id)
    assert site.kept() == kept


def test_the_right_data_may_follow_the_wrong(site: Site) -> None:
    image_id = site.new("qcow2")
    assert site.upload(image_id, content(100)).status == 415
    assert site.upload(image_id, samples.qcow2_header()).status == 204
    image = site.show(image_id)
    assert (image["status"], image["virtual_size"]) == ("active", samples.DISK)


@pytest.mark.parametrize("given", [("raw", None), (None, "bare"), (None, None)], ids=str)
def test_formats_that_are_not_set(site: Site, given: tuple[str | None, str | None]) -> None:
    image_id = site.new(*given)
    answer = site.upload(image_id, content(BLOCK))
    assert answer.status == 400
    assert "must be set before an image can have data" in answer.message
    site.untouched(image_id)


# -- the state of the image ------------------------------------------------------------------------


def test_no_image(site: Site) -> None:
    nowhere = "00000000-0000-4000-8000-000000000000"
    assert site.upload(nowhere, content(BLOCK)).status == 404


def test_data_is_never_replaced(site: Site, image_id: str) -> None:
    assert site.upload(image_id, b"first").status == 204
    before = site.show(image_id)
    answer = site.upload(image_id, content(3 * BLOCK))
    assert answer.status == 409
    assert "active" in answer.message
    assert site.show(image_id) == before
    assert site.path(image_id).read_bytes() == b"first"


def begin(site: Site, image_id: str, data: bytes) -> Wire:
    """An upload of which the last byte is still to come, when it has reached the store."""
    before = site.unfinished()
    wire = site.wire()
    wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Content_Length=len(data))
    wire.send(data[:-1])
    assert soon(lambda: site.unfinished() > before)
    return wire


def test_of_two_uploads_at_once_the_first_wins(site: Site, image_id: str) -> None:
    data, log = content(2 * BLOCK), site.log()
    with begin(site, image_id, data) as first:
        assert site.status(image_id) == "saving"
        second = site.upload(image_id, content(2 * BLOCK, shift=7))
        assert second.status == 409
        assert image_id in second.message
        assert site.status(image_id) == "saving"
        first.send(data[-1:])
        assert first.answer().status == 204
    assert site.path(image_id).read_bytes() == data
    assert log.quiet(), log.text()


def test_while_another_process_works_on_the_image(site: Site, image_id: str) -> None:
    database = connect(site.service.database)
    with Leases(database, 60).hold(f"image:{image_id}"):
        assert site.upload(image_id, content(BLOCK)).status == 409
        site.untouched(image_id)
    assert site.upload(image_id, content(BLOCK)).status == 204
    database.close()


def test_an_image_that_is_deleted_during_its_upload(site: Site, image_id: str) -> None:
    data, kept, log = content(3 * BLOCK), site.kept(), site.log()
    with begin(site, image_id, data) as wire:
        assert site.ask("DELETE", f"/v2/images/{image_id}").status == 204
        wire.send(data[-1:])
        answer = wire.answer()
    assert answer.status == 410
    assert image_id in answer.message
    assert site.kept() == kept
    assert site.ask("GET", f"/v2/images/{image_id}").status == 404
    assert log.quiet(), log.text()


def test_an_image_whose_formats_change_during_its_upload(site: Site, image_id: str) -> None:
    with begin(site, image_id, b"data") as wire:
        patch = b'[{"op": "replace", "path": "/disk_format", "value": "qcow2"}]'
        media = "application/openstack-images-v2.1-json-patch"
        answer = site.ask("PATCH", f"/v2/images/{image_id}", patch, Content_Type=media)
        assert answer.status == 403
        wire.send(b"a")
        assert wire.answer().status == 204
    assert site.show(image_id)["disk_format"] == "raw"
