"""Which steps an import takes, as a plain list."""

from collections.abc import Mapping, Sequence

from calotype.imports.check import Step
from calotype.model.importing import ImportOrder


def steps(
    order: ImportOrder,
    *,
    fetch: Mapping[str, Step],
    plugins: Sequence[Step],
    check: Step,
    deliver: Step,
    copy: Step,
) -> list[Step]:
    """The steps of an import, in order. `fetch`: how data comes to be staged, by method."""
    if order.copies:
        return [copy]
    fetching = [fetch[order.method]] if order.method in fetch else []
    return [*fetching, *plugins, check, deliver]
