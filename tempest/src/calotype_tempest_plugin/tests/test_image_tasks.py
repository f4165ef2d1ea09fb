"""Whoever sees an image sees its tasks."""

import io

from tempest.lib import decorators
from tempest.lib import exceptions as lib_exc
from tempest.lib.common.utils import data_utils

from calotype_tempest_plugin.tests import feature


class ImageTasksTest(feature.FeatureTest):
    """GET /v2/images/{image_id}/tasks"""

    flag = "image_tasks"

    @decorators.idempotent_id("09310de7-5e46-4ba3-a18b-bfee9aef087f")
    def test_an_image_without_tasks(self) -> None:
        """An empty list."""
        image_id = self.queued_image()
        self.assertEqual([], self.features.list_image_tasks(image_id)["tasks"])

    @decorators.attr(type="smoke")
    @decorators.idempotent_id("043c8d2a-6485-4c0c-a351-b31986c07959")
    def test_the_task_of_an_import(self) -> None:
        """Its owner sees it, with what the request said and who began it."""
        self.skip_without_glance_direct()
        image_id = self.queued_image()
        self.client.stage_image_file(image_id, io.BytesIO(data_utils.random_bytes()))
        self.client.image_import(image_id, method="glance-direct", all_stores=False)
        tasks = self.features.list_image_tasks(image_id)["tasks"]
        self.assertEqual(1, len(tasks), f"the tasks of image {image_id} are {tasks}")
        task = self.assert_success(image_id, tasks[0]["id"])
        self.assertEqual("active", self.client.show_image(image_id)["status"])
        self.assertEqual("api_image_import", task["type"])
        self.assertEqual(image_id, task["image_id"])
        self.assertEqual(self.os_primary.credentials.user_id, task["user_id"])
        self.assertEqual(self.os_primary.credentials.project_id, task["owner"])
        self.assertTrue(task["request_id"])

    @decorators.attr(type="negative")
    @decorators.idempotent_id("866f8db8-72f7-473e-a1cd-4f32dd30d043")
    def test_the_tasks_of_nothing(self) -> None:
        """An image that does not exist is not found."""
        self.assertRaises(lib_exc.NotFound, self.features.list_image_tasks, data_utils.rand_uuid())
