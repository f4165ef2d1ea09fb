"""Which steps an import takes, as a plain list."""

from collections.abc import Mapping, Sequence

from calotype import errors
from calotype.imports.check import Step
from calotype.model.importing import ImportOrder

#: What may be done with data on its way, by the names that operators know.
PLUGINS = ("no_op", "inject_image_metadata", "image_decompression", "image_conversion")


def refuse_unknown_plugins(names: Sequence[str]) -> None:
    """Raise BadSettings when the operator asks for a plugin that there is not."""
    for name in names:
        if name not in PLUGINS:
            raise errors.BadSettings(
                f"[image_import_opts] image_import_plugins: {name!r} is not one of "
                f"{', '.join(PLUGINS)}"
            )


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
