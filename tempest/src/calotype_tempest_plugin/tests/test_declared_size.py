"""The size that a client declares before it sends the data."""

from tempest.lib import decorators
from tempest.lib import exceptions as lib_exc
from tempest.lib.common.utils import data_utils

from calotype_tempest_plugin.tests import feature


class DeclaredSizeTest(feature.FeatureTest):
    """The header x-openstack-image-size of PUT /v2/images/{image_id}/file and /stage"""

    flag = "declared_size"

    @decorators.attr(type="smoke")
    @decorators.idempotent_id("c4f47798-3ca3-4776-a6a3-4aaa1a865eed")
    def test_upload_of_the_declared_size(self) -> None:
        """The image is active and has the data."""
        image_id, data = self.queued_image(), data_utils.random_bytes(feature.SIZE)
        self.features.upload(image_id, data, len(data))
        image = self.client.show_image(image_id)
        self.assertEqual(("active", len(data)), (image["status"], image["size"]))
        self.assert_data(image_id, data)

    @decorators.attr(type="negative")
    @decorators.idempotent_id("eeaaa1b2-38c1-4b39-a378-97ce6c42939b")
    def test_upload_of_more_than_declared(self) -> None:
        """Refused; nothing is kept, and the right data can follow."""
        self._refused_then_taken(feature.SIZE - 1)

    @decorators.attr(type="negative")
    @decorators.idempotent_id("622aa571-a5fc-4cec-912a-8d9c53eacdcf")
    def test_upload_of_less_than_declared(self) -> None:
        """The same."""
        self._refused_then_taken(feature.SIZE + 1)

    @decorators.attr(type="negative")
    @decorators.idempotent_id("4b0ca95b-332a-4553-a8ef-fb5ac905a38a")
    def test_upload_of_a_size_that_is_no_number(self) -> None:
        """Refused."""
        self.assertRaises(
            lib_exc.BadRequest, self.features.upload, self.queued_image(), b"data", "four"
        )

    @decorators.idempotent_id("86bf3a7a-5855-4c94-b7c4-c2b5c26b915d")
    def test_stage_of_the_declared_size(self) -> None:
        """The data is staged."""
        self.skip_without_glance_direct()
        image_id, data = self.queued_image(), data_utils.random_bytes(feature.SIZE)
        self.features.stage(image_id, data, len(data))
        self.assertEqual("uploading", self.client.show_image(image_id)["status"])

    @decorators.attr(type="negative")
    @decorators.idempotent_id("e8b79562-7a50-410b-8fd9-258032a2cb20")
    def test_stage_of_another_size_than_declared(self) -> None:
        """Refused, and nothing is staged."""
        self.skip_without_glance_direct()
        image_id, data = self.queued_image(), data_utils.random_bytes(feature.SIZE)
        self.assertRaises(lib_exc.BadRequest, self.features.stage, image_id, data, len(data) + 1)
        self.assertEqual("queued", self.client.show_image(image_id)["status"])

    def _refused_then_taken(self, wrong: int) -> None:
        image_id, data = self.queued_image(), data_utils.random_bytes(feature.SIZE)
        self.assertRaises(lib_exc.BadRequest, self.features.upload, image_id, data, wrong)
        self.assertEqual("queued", self.client.show_image(image_id)["status"])
        self.features.upload(image_id, data, len(data))
        self.assertEqual("active", self.client.show_image(image_id)["status"])
