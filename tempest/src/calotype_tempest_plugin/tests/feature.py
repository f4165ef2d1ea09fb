"""What the tests of all features share: who asks, images with data, and waiting for tasks.

Built on what Tempest keeps stable for plugins, which its own tests (`tempest.api`) are not part of.
"""

import io
import time
from typing import Any, ClassVar

from tempest import config, test
from tempest.lib import exceptions as lib_exc
from tempest.lib.common.utils import data_utils, test_utils

CONF = config.CONF
SIZE = 128 * 1024


class FeatureTest(test.BaseTestCase):
    """A test of one feature. `flag`: the option of [calotype] that says whether it is there."""

    credentials: ClassVar[list[str]] = ["primary", "admin"]
    flag: ClassVar[str]

    @classmethod
    def skip_checks(cls) -> None:
        """Leave out what this cloud is not said to have."""
        super().skip_checks()
        if not (CONF.service_available.glance and _enabled("api_v2")):
            raise cls.skipException("tempest.conf says that there is no Image API v2")
        if not CONF.calotype[cls.flag]:
            raise cls.skipException(f"[calotype] {cls.flag} is not set")

    @classmethod
    def setup_credentials(cls) -> None:
        """Have users made, without the networks that Tempest would add."""
        cls.set_network_resources()
        super().setup_credentials()

    @classmethod
    def setup_clients(cls) -> None:
        """The clients of a member and of an admin."""
        super().setup_clients()
        cls.client = cls.os_primary.image_client_v2
        cls.features = cls.os_primary.calotype.FeaturesClient()
        cls.admin_features = cls.os_admin.calotype.FeaturesClient()

    def skip_without_glance_direct(self) -> None:
        """Skip this test where data that was staged cannot be imported."""
        if not _enabled("import_image"):
            raise self.skipException("[image-feature-enabled] import_image is false")
        methods = self.client.info_import()["import-methods"]["value"]
        if "glance-direct" not in methods:
            raise self.skipException(f"glance-direct is not among the import methods {methods}")

    def queued_image(self) -> str:
        """The id of a new image without data, which is deleted after the test."""
        image = self.client.create_image(
            name=data_utils.rand_name(type(self).__name__, prefix=CONF.resource_name_prefix),
            container_format="bare",
            disk_format="raw",
            visibility="private",
        )
        image_id = str(image["id"])
        delete = self.client.delete_image
        self.addCleanup(self.client.wait_for_resource_deletion, image_id)
        self.addCleanup(test_utils.call_and_ignore_notfound_exc, delete, image_id)
        return image_id

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

    def assert_success(self, image_id: str, task_id: str) -> dict[str, Any]:
        """A task of an image, which has ended well."""
        task = self._ended_task(image_id, task_id)
        self.assertEqual("success", task["status"], f"the task of image {image_id} is {task}")
        return task

    def _ended_task(self, image_id: str, task_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + CONF.calotype.task_timeout
        while time.monotonic() < deadline:
            task = self._task(image_id, task_id)
            if task["status"] in ("success", "failure"):
                return task
            time.sleep(CONF.calotype.task_interval)
        raise lib_exc.TimeoutException(f"Task {task_id} of image {image_id} has not ended")

    def _task(self, image_id: str, task_id: str) -> dict[str, Any]:
        for task in self.features.list_image_tasks(image_id)["tasks"]:
            if task["id"] == task_id:
                return dict(task)
        raise self.failureException(
            f"task {task_id} is not among those of image {image_id}: it may have expired"
        )


def _enabled(feature: str) -> bool:
    """Whether [image-feature-enabled] has a feature on; those options are to leave Tempest."""
    return bool(getattr(CONF.image_feature_enabled, feature, True))
