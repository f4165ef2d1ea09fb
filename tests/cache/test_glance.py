"""Real Glance prunes a cache of ours, and we go on with what it leaves."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cache.site import Node
from tests.data.site import Site, soon
from tests.service import environment

PRUNER = Path(__file__).parents[2] / ".bench" / "bin" / "glance-cache-pruner"
CONFIG = """\
[DEFAULT]
image_cache_dir = {node.cache}
image_cache_driver = {driver}
image_cache_max_size = 1500
worker_self_reference_url = {node.url}
[database]
connection = {node.database}
"""


@pytest.mark.parametrize("driver", ["centralized_db", "sqlite"])
def test_glance_prunes(
    tmp_path: Path, driver: str, missing_server: Callable[[str, str], None]
) -> None:
    if not PRUNER.exists():
        missing_server("Glance", "it is not installed: make .bench/.ready installs it")
    options = f"image_cache_driver = {driver}"
    node = Node(tmp_path, "--workers", "1", "--no-worker", default=options)
    with node:
        site = Site(node)
        ids = [site.stored(bytes(1000)) for _ in range(3)]
        for image_id in ids:
            site.download(image_id)
            assert soon(lambda image_id=image_id: image_id in noted(site))
        site.download(ids[0])
    glance = tmp_path / "glance-cache.conf"
    glance.write_text(CONFIG.format(node=node, driver=driver))
    command = [PRUNER, "--config-file", glance]
    clean = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, env=clean, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert node.cached() == ids[:1]  # used last
    node.start()
    assert noted(site) == {ids[0]: 1}
    assert site.download(ids[0]).body == bytes(1000)
    assert noted(site) == {ids[0]: 2}
    node.stop()


def noted(site: Site) -> dict[str, int]:
    """What is in the cache, and how often it was used."""
    cached = site.ask("GET", "/v2/cache").json["cached_images"]
    return {entry["image_id"]: entry["hits"] for entry in cached}
