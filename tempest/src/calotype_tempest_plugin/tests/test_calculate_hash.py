"""An admin has the digests of an active image calculated."""

import hashlib

from tempest.lib import decorators
from tempest.lib import exceptions as lib_exc
from tempest.lib.common.utils import data_utils

from calotype_tempest_plugin.tests import feature


class CalculateHashTest(feature.FeatureTest):
    """POST /v2/images/{image_id}/hash"""

    flag = "calculate_hash"

    @decorators.attr(type="smoke")
    @decorators.idempotent_id("9d1b4fb6-c30b-449d-a772-88f2634b1f5c")
    def test_calculate_hash(self) -> None:
        """The task ends well, and the image has the digest of its data."""
        image_id, data = self.active_image()
        task = self.admin_features.calculate_hash(image_id, "sha256")
        self.assert_success(image_id, task["id"])
        image = self.client.show_image(image_id)
        self.assertEqual("active", image["status"])
        self.assertEqual("sha256", image["os_hash_algo"])
        self.assertEqual(hashlib.sha256(data).hexdigest(), image["os_hash_value"])

    @decorators.attr(type="negative")
    @decorators.idempotent_id("bd7361ee-88d7-4c0c-a474-a544a5f814c6")
    def test_calculate_hash_is_for_admins(self) -> None:
        """A member may not."""
        image_id, _ = self.active_image()
        self.assertRaises(lib_exc.Forbidden, self.features.calculate_hash, image_id)

    @decorators.attr(type="negative")
    @decorators.idempotent_id("caddc59a-fc77-4c79-900c-90c26fae0a8a")
    def test_calculate_hash_of_an_unknown_algorithm(self) -> None:
        """Refused, and the image stays as it was."""
        image_id, _ = self.active_image()
        before = self.client.show_image(image_id)["os_hash_algo"]
        self.assertRaises(
            lib_exc.BadRequest, self.admin_features.calculate_hash, image_id, "no-such-hash"
        )
        self.assertEqual(before, self.client.show_image(image_id)["os_hash_algo"])

    @decorators.attr(type="negative")
    @decorators.idempotent_id("78075285-9061-495a-9647-5aa77db5bf7e")
    def test_calculate_hash_without_data(self) -> None:
        """Only active images have a hash."""
        self.assertRaises(lib_exc.Conflict, self.admin_features.calculate_hash, self.queued_image())

    @decorators.attr(type="negative")
    @decorators.idempotent_id("3be20d41-6f5a-47c7-88ff-39b18d29c5c3")
    def test_calculate_hash_of_nothing(self) -> None:
        """An image that does not exist is not found, and the answer says that it is the image."""
        unknown = data_utils.rand_uuid()
        error = self.assertRaises(lib_exc.NotFound, self.admin_features.calculate_hash, unknown)
        self.assertIn(unknown, str(error))
