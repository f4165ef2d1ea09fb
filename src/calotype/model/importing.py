"""What an import is asked to do, and the properties in which it shows how far it is."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

#: The properties of an image during an import: stores still to be filled, and those that failed.
IMPORTING_TO = "os_glance_importing_to_stores"
FAILED = "os_glance_failed_import"
#: Glance notes here which of its processes has the staged data.
STAGE_HOST = "os_glance_stage_host"

GLANCE_DIRECT = "glance-direct"
WEB_DOWNLOAD = "web-download"
COPY_IMAGE = "copy-image"
GLANCE_DOWNLOAD = "glance-download"

Properties = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """An image of another region: `endpoint` is the address of the image service there.

    `token` is the one of whoever asked; who handles an order keeps it out of logs and answers.
    """

    region: str
    endpoint: str
    image_id: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """An import as its worker gets it. `targets`: ids of stores, in the order to fill them.

    `must_succeed`: all of them or none. `was`: the status of the image to go back to, deleted for
    one that was made for this import. `inject`: whether the configured properties are to be added.
    `uri` or `remote`: where data that is fetched comes from.
    """

    method: str
    targets: tuple[str, ...]
    must_succeed: bool
    was: str
    uri: str | None = None
    inject: bool = False
    remote: RemoteImage | None = None

    def saved(self) -> dict[str, Any]:
        """As it is kept with the task."""
        return asdict(self)

    @classmethod
    def load(cls, saved: Mapping[str, Any]) -> Self:
        """From what `saved` gave, by way of JSON."""
        remote = saved.get("remote")
        loaded = {
            "targets": tuple(saved["targets"]),
            "remote": RemoteImage(**remote) if remote else None,
        }
        return cls(**{**saved, **loaded})

    @property
    def copies(self) -> bool:
        """Whether the image has data already, which this takes to further stores."""
        return self.method == COPY_IMAGE


def ids(properties: Properties, name: str) -> list[str]:
    """The stores that one of the two lists names."""
    return [store_id for store_id in (properties.get(name) or "").split(",") if store_id]


def begun(properties: Properties, targets: tuple[str, ...]) -> dict[str, str | None]:
    """The properties when an import into these stores begins."""
    failed = [store_id for store_id in ids(properties, FAILED) if store_id not in targets]
    kept = {name: value for name, value in properties.items() if name != STAGE_HOST}
    return {**kept, IMPORTING_TO: ",".join(targets), FAILED: ",".join(failed)}


def done(properties: Properties, store_id: str, *, failed: bool = False) -> dict[str, str | None]:
    """The properties when the import into one store has ended."""
    left = [other for other in ids(properties, IMPORTING_TO) if other != store_id]
    bad = [other for other in ids(properties, FAILED) if other != store_id]
    bad += [store_id] if failed else []
    return {**properties, IMPORTING_TO: ",".join(left), FAILED: ",".join(bad)}


def ended(properties: Properties) -> dict[str, str | None]:
    """The properties when the import has ended, one way or the other."""
    kept = {name: value for name, value in properties.items() if name != STAGE_HOST}
    return {**kept, IMPORTING_TO: ""} if IMPORTING_TO in kept else kept
