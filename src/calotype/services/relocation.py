"""Locations that a patch adds, replaces and removes, where the operator shows them to everybody."""

import hashlib
import string
from collections.abc import Mapping, Sequence
from typing import Any

from calotype import errors
from calotype.caller import Caller
from calotype.db import import_lock
from calotype.db.copies import Copies
from calotype.model.changes import Change, Op
from calotype.model.image import Image, Status
from calotype.model.location import Location
from calotype.quota import Quota
from calotype.services.addresses import Addresses
from calotype.services.gate import Gate
from calotype.services.image_data import need_formats, refuse_signed
from calotype.services.removal import Removal, remove_copy

_OPEN = (Status.ACTIVE, Status.QUEUED)


class Relocation:
    """Changes the locations of images. `algorithm`: the only one of digests that are given."""

    def __init__(
        self,
        gate: Gate,
        quota: Quota,
        addresses: Addresses,
        copies: Copies,
        removal: Removal,
        algorithm: str,
    ) -> None:
        self._gate = gate
        self._quota = quota
        self._addresses = addresses
        self._copies = copies
        self._removal = removal
        self._algorithm = algorithm

    def change(self, caller: Caller, old: Image, new: Image, changes: Sequence[Change]) -> Image:
        """Save `old` as `new` with these changes of its locations; return what is saved.

        Raises Denied, Conflict (wrong status, other digests), Invalid, OverLimit, InUse.
        """
        for change in changes:
            new = self._changed(caller, new, change)
        kept = {location.id for location in new.locations}
        removed = [location for location in old.locations if location.id not in kept]
        saved = self._copies.change(old, new.with_(locations=(*new.locations, *removed)), removed)
        for location in removed:
            remove_copy(self._removal, self._copies, saved.id, location)
        return saved

    def _changed(self, caller: Caller, image: Image, change: Change) -> Image:
        match change.op:
            case Op.ADD:
                self._gate.allow(caller, "set_image_location", image)
                _need_status(image, *_OPEN)
                _position(change, len(image.locations), end=True)
                return self._added(image, change.value)
            case Op.REPLACE:
                self._gate.allow(caller, "set_image_location", image)
                _need_status(image, *_OPEN)
                return self._replaced(image, change)
            case Op.REMOVE:
                self._gate.allow(caller, "delete_image_location", image)
                _need_status(image, Status.ACTIVE)
                return _without(image, _position(change, len(image.locations)))

    def _added(self, image: Image, value: Mapping[str, Any]) -> Image:
        place = self._addresses.location(value["url"], value["metadata"])
        if any(place.url == other.url for other in image.locations):
            raise errors.Invalid("locations: the image has this url already")
        self._quota.check_locations(len(image.locations) + 1)
        digests = self._digests(image, value.get("validation_data"))
        if image.status is Status.QUEUED:
            _need_ready(image)
        size = self._addresses.size(place)
        if image.size not in (None, size):
            raise errors.Invalid(f"url: there are {size} bytes; the image has {image.size}")
        self._quota.check_stored(image.owner, size)
        image = image.with_(locations=(*image.locations, place), **digests)
        return image.moved_to(Status.ACTIVE, size=size) if image.status is Status.QUEUED else image

    def _replaced(self, image: Image, change: Change) -> Image:
        if change.place is not None:
            raise errors.Invalid("locations: replace them as a whole, by the path /locations")
        if not change.value:
            raise errors.Denied("locations: an image cannot lose all of them")
        if not image.locations:
            for value in change.value:
                image = self._added(image, value)
            return image
        given = {value["url"]: value["metadata"] for value in change.value}
        if sorted(given) != sorted(location.url for location in image.locations) or (
            len(given) != len(change.value)
        ):
            raise errors.Invalid(
                "locations: only their metadata can be replaced; add and remove urls one by one"
            )
        return image.with_(locations=tuple(self._described(it, given) for it in image.locations))

    def _described(self, location: Location, given: Mapping[str, Mapping[str, str]]) -> Location:
        """A saved location with the metadata that is given for its url."""
        metadata = given[location.url]
        return self._addresses.labelled(
            Location(location.url, metadata, location.status, location.id)
        )

    def _digests(self, image: Image, given: Mapping[str, str] | None) -> dict[str, str]:
        """The digests that come with a location. Raises Conflict when they cannot be right."""
        if not given:
            return {}
        found = {name: value.lower() for name, value in given.items() if name != "os_hash_algo"}
        lengths = {"checksum": 32, "os_hash_value": hashlib.new(self._algorithm).digest_size * 2}
        if given["os_hash_algo"] != self._algorithm:
            raise errors.Conflict(f"validation_data.os_hash_algo: must be {self._algorithm}")
        for name, value in found.items():
            if len(value) != lengths[name] or not set(value) <= set(string.hexdigits):
                raise errors.Conflict(
                    f"validation_data.{name}: must have {lengths[name]} hexadecimal digits"
                )
        found["os_hash_algo"] = self._algorithm
        for name, value in found.items():
            mine = getattr(image, name)
            if mine != value and (mine is not None or image.status is not Status.QUEUED):
                raise errors.Conflict(f"validation_data.{name}: the image has another one")
        return found


def _need_ready(image: Image) -> None:
    """Raise unless a queued image may become active."""
    need_formats(image)
    refuse_signed(image)
    if import_lock.NAME in image.properties:
        raise errors.Conflict(f"Image {image.id} is being imported")


def _need_status(image: Image, *statuses: Status) -> None:
    if image.status not in statuses:
        raise errors.Conflict(
            f"Image {image.id} is {image.status.value}: its locations cannot be changed now"
        )


def _position(change: Change, count: int, *, end: bool = False) -> int:
    """Which location is meant; `end`: it may be the one after the last."""
    place = change.place or ""
    if end and place == "-":
        return count
    if place.isascii() and place.isdecimal() and len(place) < 10 and int(place) < count + end:
        return int(place)
    raise errors.Invalid(f"locations: there is no such place; the image has {count} of them")


def _without(image: Image, position: int) -> Image:
    if len(image.locations) == 1:
        raise errors.Denied("locations: an image cannot lose the last one; delete the image")
    left = (*image.locations[:position], *image.locations[position + 1 :])
    return image.with_(locations=left)
