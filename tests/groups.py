"""Which tests stay together when several workers share a run, and which begin first.

A group is run by one worker, from its first test to its last. By default it is a file of tests, so
that what a file starts is started once. Whoever uses a server that is dear to start goes into the
group of that server. A test that asks for its server only while it runs, e.g. by a parameter, says
its group itself: `pytest.mark.xdist_group("ceph")`.
"""

from collections.abc import Iterable, Sequence

import pytest
from _pytest.nodeid import NodeId
from xdist.scheduler import LoadGroupScheduling

#: The group of a fixture. Cinder's volumes and the radosgw's objects lie in the one Ceph.
OF_FIXTURE = {"ceph": "ceph", "radosgw": "ceph", "cinder": "ceph", "swift": "swift"}

#: What takes longest, the longest first: begun late, one worker would end long after the other.
FIRST: tuple[str, ...] = ("ceph", "swift")


class Scheduler(LoadGroupScheduling):
    """Gives a worker a group after the other, in the order of the tests."""

    def _split_scope(self, nodeid: str) -> str:
        return str(super()._split_scope(nodeid)).partition("::")[0]


def spread(items: list[pytest.Item]) -> None:
    """Tell the scheduler the groups of the tests, and sort these into the order of beginning."""
    for item in items:
        group = of(item)
        # This is how xdist hands groups on; with pytest 9.2 it tries so in vain (xdist's #1386).
        if group is not None and not item.nodeid.endswith(f"@{group}"):
            item._id = NodeId.parse(f"{item.nodeid}@{group}")
    items.sort(key=lambda item: _rank(of(item) or item.nodeid))  # else as they were


def of(item: pytest.Item) -> str | None:
    """The group of a test, where that is not its file."""
    said = item.get_closest_marker("xdist_group")
    if said is not None:
        return str(said.args[0])
    used: Iterable[str] = getattr(item, "fixturenames", ())
    named = [OF_FIXTURE[name] for name in used if name in OF_FIXTURE]
    return min(named, key=FIRST.index) if named else None


def _rank(name: str, first: Sequence[str] = FIRST) -> int:
    """The place of a group, or of a test by its id, in the order of beginning."""
    return next((rank for rank, start in enumerate(first) if name.startswith(start)), len(first))
