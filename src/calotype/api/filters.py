"""The query of a list request as a `Filter`, where everything unknown is a property to compare.

Tasks have no properties: there, what is unknown is refused.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from calotype import errors
from calotype.api.validator import label
from calotype.model.filter import (
    SORT_KEYS,
    TASK_SORT_KEYS,
    Condition,
    Filter,
    Order,
    TaskFilter,
    Test,
    Value,
)
from calotype.model.image import Visibility
from calotype.model.task import TYPES, TaskStatus

_INT_MAX = (1 << 63) - 1
#: The most tags and properties that are compared at once.
_MOST_CONDITIONS = 50
#: The most values after `in:`.
_MOST_VALUES = 1000
_MEMBER_STATUSES = ("accepted", "pending", "rejected", "all")


@dataclass(frozen=True)
class Paging:
    """The page size when none is asked for, and the largest."""

    default: int = 25
    maximum: int = 1000


@dataclass
class _Draft:
    """What has been read of the query so far."""

    conditions: list[Condition] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)


def parse(query: Mapping[str, Sequence[str]], paging: Paging) -> Filter:
    """The filter a list request asks for; `query` maps each name to its values in order.

    Raises Invalid naming the parameter and what it takes.
    """
    draft = _Draft()
    for name, values in query.items():
        _PARSERS.get(name, _property)(draft, name, values)
    if len(draft.properties) + len(draft.fields.get("tags", ())) > _MOST_CONDITIONS:
        raise errors.Invalid(
            f"tag: no more than {_MOST_CONDITIONS} tags and properties can be asked for at once"
        )
    limit = draft.fields.pop("limit", paging.default)
    return Filter(
        conditions=tuple(draft.conditions),
        properties=draft.properties,
        order=_order(query, SORT_KEYS),
        limit=min(limit, paging.maximum),
        **draft.fields,
    )


def parse_tasks(query: Mapping[str, Sequence[str]], paging: Paging) -> TaskFilter:
    """The page of tasks a list request asks for. Raises Invalid as `parse` does."""
    draft = _Draft()
    for name, values in query.items():
        if name not in _TASK_PARSERS:
            raise errors.Invalid(
                f"{label(name)}: tasks cannot be chosen by this; use {_list([*_TASK_PARSERS])}"
            )
        _TASK_PARSERS[name](draft, name, values)
    limit = min(draft.fields.pop("limit", paging.default), paging.maximum)
    return TaskFilter(order=_order(query, TASK_SORT_KEYS), limit=limit, **draft.fields)


def _order(query: Mapping[str, Sequence[str]], known: Sequence[str]) -> tuple[Order, ...]:
    keys, directions = query.get("sort_key", ()), query.get("sort_dir", ())
    if "sort" in query:
        if keys or directions:
            raise errors.Invalid("sort: cannot be combined with sort_key or sort_dir")
        pairs = [part.strip().partition(":") for part in query["sort"][-1].split(",")]
        order = [_one_order("sort", key, direction, known) for key, _, direction in pairs]
        only = None
    else:
        if len(directions) > 1 and len(directions) != len(keys):
            raise errors.Invalid("sort_dir: give one for all sort_key, or one for each")
        spread = directions if len(directions) > 1 else [*directions, ""][:1] * len(keys)
        order = [_one_order("sort_key", k, d, known) for k, d in zip(keys, spread, strict=True)]
        only = directions[0] if len(directions) == 1 else None
    order += [_one_order("sort_dir", extra, only or "", known) for extra in ("created_at", "id")]
    first: dict[str, Order] = {}
    for one in order:  # what a key has ordered once, it cannot order again
        first.setdefault(one.key, one)
    return tuple(first.values())


def _one_order(parameter: str, key: str, direction: str, known: Sequence[str]) -> Order:
    if key not in known:
        raise errors.Invalid(f"{parameter}: cannot sort by {key!r}; the keys are {_list(known)}")
    if direction not in ("", "asc", "desc"):
        raise errors.Invalid(f"{parameter}: the direction is asc or desc, not {direction!r}")
    return Order(key, descending=direction != "asc")


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)


def _whole(name: str, text: str) -> int:
    if not text.isascii() or not text.removeprefix("-").isdigit():
        raise errors.Invalid(f"{name}: must be a whole number, not {text!r}")
    return max(-_INT_MAX, min(int(text[:20]), _INT_MAX))


def _limit(draft: _Draft, name: str, values: Sequence[str]) -> None:
    number = _whole(name, values[-1])
    if number < 0:
        raise errors.Invalid("limit: must be 0 or more")
    draft.fields["limit"] = number


def _marker(draft: _Draft, _name: str, values: Sequence[str]) -> None:
    draft.fields["marker"] = values[-1]


def _visibility(draft: _Draft, name: str, values: Sequence[str]) -> None:
    wanted = values[-1]
    if wanted == "all":
        draft.fields["all_visibilities"] = True
        return
    if wanted not in list(Visibility):
        raise errors.Invalid(f"{name}: must be one of {_list(list(Visibility))}, all")
    draft.fields["visibility"] = Visibility(wanted)


def _member_status(draft: _Draft, name: str, values: Sequence[str]) -> None:
    if values[-1] not in _MEMBER_STATUSES:
        raise errors.Invalid(f"{name}: must be one of {_list(_MEMBER_STATUSES)}")
    draft.fields["member_status"] = None if values[-1] == "all" else values[-1]


def _boolean(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise errors.Invalid(f"{name}: must be true or false, not {text!r}")
    return text == "true"


def _os_hidden(draft: _Draft, name: str, values: Sequence[str]) -> None:
    draft.fields["os_hidden"] = _boolean(name, values[-1].lower())


def _protected(draft: _Draft, name: str, values: Sequence[str]) -> None:
    draft.conditions.append(Condition(name, Test.EQ, _boolean(name, values[-1])))


def _tags(draft: _Draft, _name: str, values: Sequence[str]) -> None:
    draft.fields["tags"] = tuple(dict.fromkeys(values))


def _sorting(_draft: _Draft, _name: str, _values: Sequence[str]) -> None:
    """Read by `_order`, all three parameters together."""


def _no_choice(_draft: _Draft, _name: str, _values: Sequence[str]) -> None:
    """Deleted images are never listed, whatever is asked for."""


def _listed(draft: _Draft, name: str, values: Sequence[str]) -> None:
    """`x`, `eq:x` or `in:a,b,"c,d"`."""
    text = values[-1]
    operator, colon, rest = text.partition(":")
    if not colon:
        draft.conditions.append(Condition(name, Test.EQ, text))
    elif operator == "eq":
        draft.conditions.append(Condition(name, Test.EQ, rest))
    elif operator == "in":
        draft.conditions.append(Condition(name, Test.IN, _unquoted(name, rest)))
    else:
        raise errors.Invalid(f"{name}: the operator {operator!r} is not known; use eq: or in:")


def _unquoted(name: str, text: str) -> tuple[str, ...]:
    if text.count('"') % 2:
        raise errors.Invalid(f"{name}: a double quote is not closed in {text!r}")
    try:
        rows = list(csv.reader([text], strict=True, skipinitialspace=True))
    except csv.Error as error:
        raise errors.Invalid(f"{name}: cannot read the list {text!r}: {error}") from error
    found = dict.fromkeys((rows and rows[0]) or [""])
    if len(found) > _MOST_VALUES:
        raise errors.Invalid(f"{name}: no more than {_MOST_VALUES} values can be asked for at once")
    return tuple(found)


def _time(draft: _Draft, name: str, values: Sequence[str]) -> None:
    text = values[-1]
    operator, _, rest = text.partition(":")
    test = Test(operator) if operator in ("eq", "neq", "gt", "gte", "lt", "lte") else None
    try:
        moment = datetime.fromisoformat((rest if test else text).strip())
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise errors.Invalid(
            f"{name}: must be an ISO 8601 time, with gt: gte: lt: lte: eq: or neq: before it, "
            f"not {text!r}"
        ) from error
    draft.conditions.append(Condition(name, test or Test.EQ, moment))


def _equal(draft: _Draft, name: str, values: Sequence[str]) -> None:
    draft.conditions.append(Condition(name, Test.EQ, values[-1]))


def _number(draft: _Draft, name: str, values: Sequence[str]) -> None:
    draft.conditions.append(Condition(name, Test.EQ, _whole(name, values[-1])))


def _bound(column: str, test: Test) -> Callable[[_Draft, str, Sequence[str]], None]:
    def parse_bound(draft: _Draft, name: str, values: Sequence[str]) -> None:
        number: Value = _whole(name, values[-1])
        draft.conditions.append(Condition(column, test, number))

    return parse_bound


def _unsupported(_draft: _Draft, name: str, _values: Sequence[str]) -> None:
    raise errors.Invalid(f"{name}: this filter is not supported")


def _one_of(known: Sequence[str]) -> Callable[[_Draft, str, Sequence[str]], None]:
    def parse_choice(draft: _Draft, name: str, values: Sequence[str]) -> None:
        if values[-1] not in known:
            raise errors.Invalid(f"{name}: must be one of {_list(known)}, not {values[-1]!r}")
        draft.fields[name] = values[-1]

    return parse_choice


def _property(draft: _Draft, name: str, values: Sequence[str]) -> None:
    draft.properties[name] = values[-1]


_PARSERS: dict[str, Callable[[_Draft, str, Sequence[str]], None]] = {
    "limit": _limit,
    "marker": _marker,
    "sort": _sorting,
    "sort_key": _sorting,
    "sort_dir": _sorting,
    "visibility": _visibility,
    "member_status": _member_status,
    "os_hidden": _os_hidden,
    "protected": _protected,
    "tag": _tags,
    "changes-since": _unsupported,
    "deleted": _no_choice,
    **dict.fromkeys(("name", "id", "status", "container_format", "disk_format"), _listed),
    **dict.fromkeys(("created_at", "updated_at"), _time),
    **dict.fromkeys(("owner", "checksum", "os_hash_value", "os_hash_algo"), _equal),
    **dict.fromkeys(("min_ram", "min_disk", "size"), _number),
    **{f"{c}_min": _bound(c, Test.GTE) for c in ("size", "min_ram", "min_disk")},
    **{f"{c}_max": _bound(c, Test.LTE) for c in ("size", "min_ram", "min_disk")},
}

_TASK_PARSERS: dict[str, Callable[[_Draft, str, Sequence[str]], None]] = {
    "type": _one_of(TYPES),
    "status": _one_of(list(TaskStatus)),
    "limit": _limit,
    "marker": _marker,
    **dict.fromkeys(("sort", "sort_key", "sort_dir"), _sorting),
}
