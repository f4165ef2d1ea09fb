"""The kinds of values that options have, and a short way to write an option of each kind down.

Every kind can say in words what it expects: messages, the sample and the reference all use that.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from oslo_config import cfg, types

#: Factors of the units in which an amount of bytes may be written.
UNITS = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
AMOUNT = re.compile(r"([0-9]+)(B|KB|MB|GB|TB)?")
FILE = "file://"


class HashAlgorithm(types.String):
    """The name of a digest that hashlib can compute and that has one fixed length."""

    expected = "the name of a digest of fixed length that hashlib knows, such as sha512 or sha256"

    def __call__(self, value: Any) -> str:
        name = super().__call__(value)
        if hashlib.new(name, usedforsecurity=False).digest_size == 0:
            raise ValueError("no fixed length")
        return name


class ByteAmount(types.String):
    """An amount of bytes, written with or without a unit; the value is a number of bytes."""

    expected = "a whole number of bytes, or one followed at once by B, KB, MB, GB or TB"

    def __call__(self, value: Any) -> Any:
        match = AMOUNT.fullmatch(str(value).strip())
        if match is None:
            raise ValueError("no amount of bytes")
        return int(match[1]) * UNITS[match[2] or ""]


class FileUrl(types.String):
    """A file:// address; the value is the path, without a slash at its end."""

    expected = "a file:// address of a directory, such as file:///var/lib/glance/staging"

    def __call__(self, value: Any) -> str:
        path = str(value).strip().removeprefix(FILE)
        if not str(value).strip().startswith(FILE) or not path.startswith("/"):
            raise ValueError("no local directory")
        return path.rstrip("/") or "/"


def flag(name: str, default: bool, help: str, **more: Any) -> cfg.Opt:
    """An option that is true or false."""
    return cfg.BoolOpt(name, default=default, help=help, **more)


def number(name: str, default: int | None, help: str, **more: Any) -> cfg.Opt:
    """An option that is a whole number; `min` and `max` are part of what it may be."""
    return cfg.IntOpt(name, default=default, help=help, **more)


def text(name: str, default: str | None, help: str, **more: Any) -> cfg.Opt:
    """An option that is a text; `choices` are all it may be."""
    return cfg.StrOpt(name, default=default, help=help, **more)


def words(name: str, default: Sequence[str], help: str, **more: Any) -> cfg.Opt:
    """An option that is a list with commas."""
    return cfg.ListOpt(name, default=list(default), help=help, **more)


def bracketed(
    name: str, default: Sequence[Any], help: str, item: types.ConfigType | None = None
) -> cfg.Opt:
    """An option that is a list with commas and brackets around it."""
    item = item or types.String(quotes=True)
    return cfg.ListOpt(name, default=list(default), help=help, item_type=item, bounds=True)


def expected(kind: Any, multi: bool = False) -> str:
    """What an option of this type takes, in words that fit after "is not"."""
    said = getattr(kind, "expected", None)
    if said:
        return str(said)
    if multi:
        return "text; the line may be repeated"
    if isinstance(kind, types.Number):
        return _number(kind)
    if isinstance(kind, types.List):
        return _list(kind)
    if getattr(kind, "choices", None):
        return _one_of(kind.choices)
    return _plain(kind)


def _plain(kind: Any) -> str:
    if isinstance(kind, types.Boolean):
        return "true or false"
    if isinstance(kind, types.Dict):
        return "a list of pairs such as name:value, name:value"
    if isinstance(kind, types.HostAddress):
        return "a host name or an IP address"
    if isinstance(kind, types.URI):
        return "a URL"
    return "text"


def _number(kind: types.Number) -> str:
    if kind.choices:
        return _one_of(kind.choices)
    noun = "a whole number" if kind.num_type is int else "a number"
    if kind.min is not None and kind.max is not None:
        return f"{noun} from {kind.min} to {kind.max}"
    if kind.min is not None:
        return f"{noun} of {kind.min} or more"
    return noun if kind.max is None else f"{noun} of {kind.max} or less"


def _list(kind: types.List) -> str:
    form = "a list in brackets, such as [a, b]" if kind.bounds else "a list such as a, b"
    if isinstance(kind.item_type, types.Number):
        return f"{form}; each is {_number(kind.item_type)}"
    choices = getattr(kind.item_type, "choices", None)
    return f"{form}; each is {_one_of(choices)}" if choices else form


def _one_of(choices: Iterable[object]) -> str:
    shown = list(choices)
    return f"one of {_joined(shown)}" if len(shown) > 1 else f"the only choice, {_joined(shown)}"


def _joined(choices: Iterable[object]) -> str:
    return ", ".join(str(choice) if choice != "" else "nothing" for choice in choices)
