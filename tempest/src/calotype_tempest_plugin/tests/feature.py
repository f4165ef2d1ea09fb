"""What the tests of all features share: who asks, images with data, and waiting for tasks."""

import io
import time
from typing import Any, ClassVar

from tempest import config
from tempest.api.image import base
from tempest.lib import exceptions as lib_exc
from tempest.lib.common.utils import data_utils

CONF = config.CONF
SIZE = 128 * 1024


class FeatureTest(base.BaseV2ImageTest):
    """A test of one feature. `flag`: the option of [calotype] that says whether it is there."""

    credentials: ClassVar[list[str]] = ["primary", "admin"]
    flag: str

    @classmethod
    def skip_checks(cls) -> None:
        """Leave out what this cloud is said not to have."""
        super().skip_checks()
        if not CONF.calotype[cls.flag]:
            raise cls.skipException(f"[calotype] {cls.flag} is not set")

    @classmethod
    def setup_clients(cls) -> None:
        """The clients of a member and of an admin."""
        super().setup_clients()
        cls.features = cls.os_primary.calotype.FeaturesClient()
        cls.admin_features = cls.os_admin.calotype.FeaturesClient()
        cls.admin_images = cls.os_admin.image_client_v2

    def queued_image(self) -> str:
        """The id of a new image without data."""
        image = self.create_image(container_format="bare", disk_format="raw", visibility="private")
        return str(image["id"])

    def active_image(self) -> tuple[str, bytes]:
        """The id and the data of a new image."""
        image_id, data = self.queued_image(), data_utils.random_bytes(SIZE)
        self.client.store_image_file(image_id, io.BytesIO(data))
        return image_id, data

    def assert_data(self, image_id: str, data: bytes) -> None:
        """A download gives the data. What else it gives is not shown: nobody reads 128 KiB."""
        found = bytes(self.client.show_image_file(image_id).data)
        self.assertEqual(len(data), len(found))
        self.assertTrue(data == found, f"the data of image {image_id} is not what it was")

    def wait_for_task(self, image_id: str, task_id: str) -> dict[str, Any]:
        """A task of an image, once it has ended."""
        deadline = time.monotonic() + CONF.calotype.task_timeout
        while time.monotonic() < deadline:
            tasks = self.features.list_image_tasks(image_id)["tasks"]
            [task] = [task for task in tasks if task["id"] == task_id]
            if task["status"] in ("success", "failure"):
                return dict(task)
            time.sleep(CONF.calotype.task_interval)
        raise lib_exc.TimeoutException(f"Task {task_id} of image {image_id} has not ended")
