"""What the cache notes about its entries, and where: the interface of its drivers."""

from typing import Protocol

from calotype.model.cached import CachedImage


class Books(Protocol):
    """The notes about all entries of one node. The files themselves are the folder's.

    All methods raise OSError or Error when the notes cannot be reached.
    """

    def add(self, entry: CachedImage) -> None:
        """Note an entry; what was noted of the same image before is replaced."""
        ...

    def used(self, image_id: str) -> bool:
        """Count a use of an entry; False when there is no note of it."""
        ...

    def remove(self, image_id: str) -> None:
        """Forget an entry, if there is any."""
        ...

    def entries(self) -> list[CachedImage]:
        """All entries."""
        ...
