"""An admin asks any node which nodes have an image in their cache."""

import uuid

from tempest.lib import decorators
from tempest.lib import exceptions as lib_exc
from tempest.lib.common.utils import test_utils

from calotype_tempest_plugin.tests import feature

CONF = feature.CONF


class CacheNodesTest(feature.FeatureTest):
    """GET /v2/cache/nodes/{image_id}"""

    flag = "cache_nodes"

    @decorators.attr(type="smoke")
    @decorators.idempotent_id("e68aa7a4-e099-4538-a46c-65a2fa610081")
    def test_the_nodes_of_an_image(self) -> None:
        """None, until the image is cached; then the address of a node."""
        image_id, _ = self.active_image()
        self.assertEqual([], self._nodes(image_id))
        cache = self.os_admin.image_cache_client
        self.addCleanup(test_utils.call_and_ignore_notfound_exc, cache.cache_delete, image_id)
        cache.cache_queue(image_id)
        listed = test_utils.call_until_true(
            lambda: bool(self._nodes(image_id)),
            CONF.calotype.task_timeout,
            CONF.calotype.task_interval,
        )
        self.assertTrue(listed)
        for node in self._nodes(image_id):
            self.assertRegex(node, "^https?://")

    @decorators.attr(type="negative")
    @decorators.idempotent_id("f44a890c-a2fd-4e6e-8902-649af928f266")
    def test_the_nodes_are_for_admins(self) -> None:
        """A member may not ask."""
        image_id, _ = self.active_image()
        self.assertRaises(lib_exc.Forbidden, self.features.list_cached_nodes, image_id)

    @decorators.attr(type="negative")
    @decorators.idempotent_id("40b24da5-5aec-4a24-bcea-446c8c9bcb1f")
    def test_the_nodes_of_nothing(self) -> None:
        """An image that does not exist is not found, and the answer says that it is the image."""
        unknown = str(uuid.uuid4())
        error = self.assertRaises(lib_exc.NotFound, self.admin_features.list_cached_nodes, unknown)
        self.assertIn(unknown, str(error))

    def _nodes(self, image_id: str) -> list[str]:
        answer = self.admin_features.list_cached_nodes(image_id).data
        self.assertIsInstance(answer, dict, "the answer is no object with cached_nodes")
        return list(answer["cached_nodes"])
