"""Which format data really has, how large its disk is, and whether it is safe: seen as it passes.

The reading of the formats is oslo.utils'; here is what follows from it:

Rule 1: data matches when its format is the declared one, when `raw` is declared (anything may be
raw), or when it has no known format and the declared one cannot be recognised (ami, aki, ploop …).
Rule 2: a bootable ISO with a partition table is an iso; any other double format matches nothing.
Rule 3: whatever was declared, data in a known format must pass the safety checks of that format.
Rule 4: only images in a `bare` container are looked at.
"""

import io
import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from calotype import errors

if TYPE_CHECKING:
    from oslo_utils.imageutils.format_inspector import FileInspector, InspectWrapper

LOG = logging.getLogger(__name__)

#: The inspectors see the data in pieces of just this size, however it comes: some judge by how much
#: of a header is in a piece, and the sender of the data must not be able to choose that.
PIECE = 1 << 20
#: Boot images may begin with what looks like a partition table, and is none.
BOOT_FORMATS = frozenset({"aki", "ari"})
#: Formats without a size in their header: their inspectors count the bytes they were shown.
COUNTED = frozenset({"gpt", "luks"})


class FormatWatcher:
    """Refuses data that is not in the declared format or not safe, and learns its virtual size.

    `require_match` false lets data of another format through, with one warning in the log.
    `nonfatal_gpt_checks` names failures of partition tables that are no reason to refuse.
    """

    def __init__(
        self,
        disk_format: str | None,
        container_format: str | None,
        *,
        require_match: bool = True,
        nonfatal_gpt_checks: Collection[str] = (),
    ) -> None:
        self.detected: str | None = None
        self.virtual_size: int | None = None
        self._declared = disk_format
        self._require_match = require_match
        self._nonfatal = frozenset(nonfatal_gpt_checks)
        if disk_format in BOOT_FORMATS:
            self._nonfatal |= {"mbr"}
        self._probes = _probes() if container_format == "bare" else []
        self._open = list(self._probes)
        self._waiting = bytearray()
        self._size = 0

    def see(self, block: bytes) -> None:
        """Look at the next block. Costs nothing once every inspector has made up its mind."""
        self._size += len(block)
        if not self._open:
            return
        if len(block) == PIECE and not self._waiting:
            self._show(block)
            return
        self._waiting += block
        while len(self._waiting) >= PIECE:
            self._show(bytes(self._waiting[:PIECE]))
            del self._waiting[:PIECE]

    def finish(self) -> None:
        """The data is complete. Raises UnsupportedMedia when it is to be refused."""
        if not self._probes:
            return
        if self._waiting:
            self._show(bytes(self._waiting))
        for probe in self._open:
            probe.end()
        self._judge()

    def _show(self, block: bytes) -> None:
        for probe in self._open:
            probe.show(block)
        self._open = [probe for probe in self._open if not probe.decided]

    def _judge(self) -> None:
        found = {probe.name: probe.match for probe in self._probes if probe.match is not None}
        if found.keys() == {"iso", "gpt"}:
            del found["gpt"]
        self.detected = ", ".join(sorted(found)) or "raw"
        if self._matches(found):
            for inspector in found.values():
                self._check_safety(inspector)
            self.virtual_size = self._virtual_size(found)
            return
        text = (
            f"The data is in format {self.detected}, but disk_format is {self._declared}: "
            "set the disk_format of the image to that of its data, or convert the data"
        )
        if self._require_match:
            raise errors.UnsupportedMedia(text)
        LOG.warning("%s. It is accepted as it is", text)

    def _matches(self, found: Mapping[str, "FileInspector"]) -> bool:
        if len(found) > 1:
            return False
        if self._declared in ("raw", self.detected):
            return True
        if self._declared in BOOT_FORMATS and self.detected == "gpt":
            return True
        return not found and self._declared not in {probe.name for probe in self._probes}

    def _check_safety(self, inspector: "FileInspector") -> None:
        from oslo_utils.imageutils import format_inspector

        try:
            inspector.safety_check()
        except format_inspector.SafetyCheckFailed as error:
            failures = {name: str(why) for name, why in error.failures.items()}
            text = "; ".join(f"{name}: {why}" for name, why in sorted(failures.items()))
            if self.detected == "gpt" and failures.keys() <= self._nonfatal:
                LOG.warning("Accepted a gpt image that failed checks which are not fatal: %s", text)
                return
            raise errors.UnsupportedMedia(
                f"The data is in format {self.detected} and failed safety checks ({text}); "
                f"disk_format is {self._declared}"
            ) from error
        except Exception as error:
            raise errors.UnsupportedMedia(
                f"The data looks like {self.detected}, but its safety cannot be checked: {error}; "
                f"disk_format is {self._declared}"
            ) from error

    def _virtual_size(self, found: Mapping[str, "FileInspector"]) -> int | None:
        """In bytes; None when it is not known or makes no sense for the declared format."""
        if self._declared == "raw":
            return self._size or None
        inspector = found.get(self._declared or "")
        if inspector is None:
            return None
        try:
            size = inspector.virtual_size
        except Exception as error:
            LOG.warning("The virtual size of %s data cannot be read: %s", self.detected, error)
            return None
        if self._declared in COUNTED:
            size += self._size - inspector.actual_size
        # A header may say anything; a database column of 64 bits with sign must be able to hold it.
        return size if 0 < size < 1 << 63 else None


class _Probe:
    """One inspector by itself, so that a fault in it cannot spoil what the others find."""

    def __init__(self, name: str, wrapper: "InspectWrapper", feed: "_Feed") -> None:
        self.name = name
        self.match: FileInspector | None = None
        self.decided = False
        self._wrapper = wrapper
        self._feed = feed

    def show(self, block: bytes) -> None:
        self._feed.block = block
        try:
            self._wrapper.read(len(block))
            self._ask()
        except Exception as error:
            self._give_up(error)
        self._feed.block = b""

    def end(self) -> None:
        try:
            self._wrapper.close()
            self._ask()
        except Exception as error:
            self._give_up(error)

    def _ask(self) -> None:
        formats = self._wrapper.formats
        if formats is not None:
            self.match = formats[0] if formats else None
            self.decided = True

    def _give_up(self, error: Exception) -> None:
        LOG.warning("The inspector for %s stumbled over the data: %r", self.name, error)
        self.decided = True


class _Feed(io.BytesIO):
    """The source of an inspector: hands out the block that just passes."""

    block = b""

    def read(self, size: int | None = -1, /) -> bytes:
        return self.block


def _probes() -> list[_Probe]:
    # Imported late: it brings the cryptography library, which most processes never need.
    from oslo_utils.imageutils import format_inspector

    probes = []
    for name in format_inspector.ALL_FORMATS:
        if name != "raw":
            feed = _Feed()
            wrapper = format_inspector.InspectWrapper(feed, allowed_formats=[name])
            probes.append(_Probe(name, wrapper, feed))
    return probes
