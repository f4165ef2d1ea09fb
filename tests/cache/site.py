"""Services with an image cache, and what is seen of it from outside."""

import sys
from pathlib import Path

from tests.service import Service

COUNTED = Path(__file__).with_name("counted.py")


class Node(Service):
    """A service with an image cache, whose store counts how often it is read (`counted.py`).

    `cache`: the folder of its cache, one of its own by default. `store`: that of its store.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        cache: Path | None = None,
        store: Path | None = None,
        flavor: str = "caching",
        default: str = "",
        extra: str = "",
        database: str | None = None,
    ) -> None:
        super().__init__(folder, database=database, arguments=arguments)
        self.images = store or self.images
        self.cache = cache or folder / "cache"
        default = (
            f"image_cache_dir = {self.cache}\nworker_self_reference_url = {self.url}\n{default}\n"
        )
        text = self.config.read_text().replace("[DEFAULT]\n", f"[DEFAULT]\n{default}")
        text = text.replace(f"{folder}/images", str(self.images))
        self.config.write_text(f"{text}[paste_deploy]\nflavor = {flavor}\n{extra}")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(COUNTED), "--config-file", str(self.config), *arguments]

    def reads(self) -> int:
        """How often the store was read."""
        counted = self.images.parent / "reads"
        return counted.stat().st_size if counted.exists() else 0

    def hold(self) -> None:
        """Let no read of the store get beyond the half of its data."""
        (self.images.parent / "hold").touch()

    def release(self) -> None:
        """Let all reads go on."""
        (self.images.parent / "hold").unlink()

    def cached(self, below: str = "") -> list[str]:
        """The ids of the images in the cache, or in one of its folders."""
        names = (file.name for file in (self.cache / below).iterdir() if file.is_file())
        return sorted(name for name in names if len(name) == 36)
