"""The kinds of values that are our own, and the words for each kind."""

import pytest
from oslo_config import cfg, types

from calotype.settings.kinds import ByteAmount, FileUrl, HashAlgorithm, expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("1000", 1000),
        ("1B", 1),
        ("2KB", 2048),
        ("3MB", 3 << 20),
        ("4GB", 4 << 30),
        ("5TB", 5 << 40),
        (7, 7),
    ],
)
def test_amounts_of_bytes(text: object, value: int) -> None:
    assert ByteAmount()(text) == value


@pytest.mark.parametrize("text", ["", "-1", "1.5GB", "1 GB", "1gb", "1PB", "GB", "٣"])
def test_what_is_no_amount_of_bytes(text: str) -> None:
    with pytest.raises(ValueError, match="no amount"):
        ByteAmount()(text)


@pytest.mark.parametrize("name", ["md5", "sha256", "sha512", "sha3_512", "blake2b"])
def test_digests(name: str) -> None:
    assert HashAlgorithm()(name) == name


@pytest.mark.parametrize("name", ["", "sha", "shake_256", "sha512 "])
def test_what_is_no_digest(name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        HashAlgorithm()(name)


@pytest.mark.parametrize(
    ("url", "path"),
    [("file:///a/b", "/a/b"), ("file:///a b/", "/a b"), ("file:///", "/"), (" file:///a ", "/a")],
)
def test_file_addresses(url: str, path: str) -> None:
    assert FileUrl()(url) == path


@pytest.mark.parametrize("url", ["", "/a", "file:a", "file://", "file://host/a", "http:///a"])
def test_what_is_no_file_address(url: str) -> None:
    with pytest.raises(ValueError, match="no local directory"):
        FileUrl()(url)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (types.String(), "text"),
        (types.String(choices=["a", "b", ""]), "one of a, b, nothing"),
        (types.Boolean(), "true or false"),
        (types.Integer(), "a whole number"),
        (types.Integer(min=0), "a whole number of 0 or more"),
        (types.Integer(max=9), "a whole number of 9 or less"),
        (types.Integer(min=1, max=9), "a whole number from 1 to 9"),
        (types.Integer(choices=[1, 2]), "one of 1, 2"),
        (types.Float(), "a number"),
        (types.List(), "a list such as a, b"),
        (types.List(bounds=True), "a list in brackets, such as [a, b]"),
        (types.URI(), "a URL"),
    ],
)
def test_the_words_for_each_kind(kind: types.ConfigType, words: str) -> None:
    assert expected(kind) == words


def test_the_words_for_repeated_lines() -> None:
    opt = cfg.MultiStrOpt("name")
    assert expected(opt.type, opt.multi) == "text; the line may be repeated"
