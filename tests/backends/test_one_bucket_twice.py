"""Two stores that lead to one bucket: nothing of the one is taken for a leftover in the other."""

from pathlib import Path

from tests.backends.ceph import Radosgw
from tests.backends.kinds import S3, Options
from tests.backends.scene import SMALL, STORE, TWIN, make_service, playing


class Twice(S3):
    """One bucket by two names of the machine."""

    def stores(self) -> tuple[Options, Options]:
        one, _ = super().stores()
        return one, {**one, "s3_store_host": str(one["s3_store_host"]).replace("127.0.0.1", OTHER)}


OTHER = "localhost"


def test_a_live_copy_stays(radosgw: Radosgw, tmp_path: Path) -> None:
    backend = Twice(radosgw.url, radosgw.access_key, radosgw.secret_key)
    with playing(make_service(tmp_path, backend), backend) as scene:
        image_id = scene.active(SMALL)
        task = scene.imported(image_id, "copy-image", TWIN)
        assert task["status"] == "failure"
        assert "holds data under this key" in task["message"]
        scene.whole(image_id, SMALL, STORE)
