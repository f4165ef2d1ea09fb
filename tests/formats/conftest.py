"""The sample images, made once."""

from collections.abc import Callable

import pytest

from tests.formats import samples


@pytest.fixture(scope="session")
def qemu_samples(
    tmp_path_factory: pytest.TempPathFactory, missing_server: Callable[[str, str], None]
) -> dict[str, bytes]:
    """What qemu-img makes, by name."""
    try:
        return samples.by_qemu_img(tmp_path_factory.mktemp("formats"))
    except FileNotFoundError:
        missing_server("qemu-img", "not found on PATH (make services installs qemu-utils)")
        raise
