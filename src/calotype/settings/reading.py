"""Turning what stands in the files into values, and remembering everything that is wrong."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from oslo_config import cfg

from calotype.settings.files import Conf, Name, Written
from calotype.settings.kinds import expected

DEFAULT = "DEFAULT"
#: How messages call the place of values that were handed to `load`.
OVERRIDDEN = "command line"


@dataclass(frozen=True)
class Place:
    """Where an option was set, under which name there, and the value as it was written."""

    where: str
    name: Name
    value: object


class Reader:
    """Gives the values of options. What is wrong with them it keeps, to be told all at once."""

    def __init__(self, conf: Conf, written: Written, overrides: Mapping[Name, object]) -> None:
        self.problems: list[str] = []
        self.options: dict[str, dict[str, cfg.Opt]] = {}
        self.written = written
        self._conf = conf
        self._overrides = dict(overrides)
        self._values: dict[Name, Any] = {}

    def register(self, section: str, options: Sequence[cfg.Opt]) -> None:
        """Make the options of a section known and read them."""
        known = self.options.setdefault(section, {})
        group = None if section == DEFAULT else section
        self._conf.register_opts(list(options), group=group)
        with _without_deprecation_log():
            for opt in options:
                known[opt.dest] = opt
                self._values[section, opt.dest] = self._read(section, opt)

    def value(self, section: str, name: str) -> Any:
        """The value of an option that was registered; None also when it was wrong."""
        return self._values[section, name]

    def refuse(self, section: str, name: str, reason: str, near: Name | None = None) -> None:
        """Keep a problem with an option. `near`: the one that asks for it, if it is not set."""
        place = self._place(section, name)
        beside = self._place(*near) if near and not place else place
        shown = place.name if place else (section, name)
        where = beside.where if beside else "default"
        self.problems.append(f"{where}: [{shown[0]}] {shown[1]}: {reason}")

    def peek(self, section: str, opt: cfg.Opt) -> Any:
        """The value of an option that is a library's, which will register it itself later."""
        place = self._place(section, opt.dest)
        if place is None:
            return opt.default
        try:
            return opt.type(place.value)
        except ValueError:
            self.refuse(section, opt.dest, self._wrong(section, opt))
            return None

    def refuse_unknown_overrides(self) -> None:
        """Keep a problem for each override of an option that there is not."""
        for section, name in self._overrides:
            if name not in self.options.get(section, {}):
                self.refuse(section, name, "there is no such option")

    def _read(self, section: str, opt: cfg.Opt) -> Any:
        try:
            value = self._look_up(section, opt)
        except ValueError:
            self.refuse(section, opt.dest, self._wrong(section, opt))
            return None
        except cfg.Error:
            reason = "refers with $ to an option that is not known; for a dollar sign write $$"
            self.refuse(section, opt.dest, reason)
            return None
        if value is None and opt.default is not None:
            self.refuse(section, opt.dest, f"is empty, not {expected(opt.type)}")
        return _frozen(value, opt)

    def _look_up(self, section: str, opt: cfg.Opt) -> Any:
        if (section, opt.dest) in self._overrides:
            group = None if section == DEFAULT else section
            self._conf.set_override(opt.dest, self._overrides[section, opt.dest], group=group)
        values = self._conf if section == DEFAULT else self._conf[section]
        return values[opt.dest]

    def _wrong(self, section: str, opt: cfg.Opt) -> str:
        place = self._place(section, opt.dest)
        shown = "the value" if opt.secret or place is None else repr(place.value)
        return f"{shown} is not {expected(opt.type, opt.multi)}"

    def _place(self, section: str, name: str) -> Place | None:
        if (section, name) in self._overrides:
            return Place(OVERRIDDEN, (section, name), self._overrides[section, name])
        variable = f"OS_{section.upper()}__{name.upper()}"
        if variable in os.environ:
            where = f"environment variable {variable}"
            return Place(where, (section, name), os.environ[variable])
        opt = self.options.get(section, {}).get(name)
        found = self.written.find(names_of(section, opt) if opt else [(section, name)])
        return Place(found.path, found.name, found.value) if found else None


def names_of(section: str, opt: cfg.Opt) -> list[Name]:
    """Under which sections and names an option may stand in a file, the present one first."""
    old = [(each.group or section, each.name or opt.dest) for each in opt.deprecated_opts]
    return [(section, opt.dest), *old]


def _frozen(value: Any, opt: cfg.Opt) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if value is None and opt.multi:
        return ()
    return MappingProxyType(value) if isinstance(value, dict) else value


@contextmanager
def _without_deprecation_log() -> Iterator[None]:
    """Keep oslo.config from logging one line per old name: ours is one line for all."""
    log = logging.getLogger("oslo_config.cfg")

    def drop(record: logging.LogRecord) -> bool:
        return False

    log.addFilter(drop)
    try:
        yield
    finally:
        log.removeFilter(drop)
