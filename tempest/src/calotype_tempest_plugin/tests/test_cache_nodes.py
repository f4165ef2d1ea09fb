"""An admin asks any node which nodes have an image in their cache."""

import itertools
from collections.abc import Callable

from tempest.lib import decorators
from tempest.lib import exceptions as lib_exc
from tempest.lib.common.utils import data_utils, test_utils

from calotype_tempest_plugin.tests import feature

CONF = feature.CONF


class CacheNodesTest(feature.FeatureTest):
    """GET /v2/cache/nodes/{image_id}"""

    flag = "cache_nodes"

    @decorators.attr(type="smoke")
    @decorators.idempotent_id("e68aa7a4-e099-4538-a46c-65a2fa610081")
    def test_the_nodes_of_an_image(self) -> None:
        """None, until the image is cached; then the address of a node, until it is taken out."""
        image_id, _ = self.active_image()
        self.assertEqual([], self._nodes(image_id))
        self.addCleanup(self._take_out, image_id)
        self.os_admin.image_cache_client.cache_queue(image_id)
        listed = self._until(lambda: bool(self._nodes(image_id)))
        self.assertTrue(listed, f"no node has image {image_id} in its cache")
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
        unknown = data_utils.rand_uuid()
        error = self.assertRaises(lib_exc.NotFound, self.admin_features.list_cached_nodes, unknown)
        self.assertIn(unknown, str(error))

    def _nodes(self, image_id: str) -> list[str]:
        answer = self.admin_features.list_cached_nodes(image_id).data
        self.assertIsInstance(answer, dict, "the answer is no object with cached_nodes")
        return list(answer["cached_nodes"])

    def _take_out(self, image_id: str) -> None:
        """Out of the caches of all nodes. Behind a balancer each call may reach another one.

        So there are more calls each time: one after the other, they come round to every node.
        """
        rounds = itertools.count(1)

        def is_out() -> bool:
            for _ in range(next(rounds)):
                self.os_admin.image_cache_client.cache_delete(image_id)
            return not self._nodes(image_id)

        self.assertTrue(self._until(is_out), f"image {image_id} stays in the cache of a node")

    def _until(self, reached: Callable[[], bool]) -> bool:
        timeout, interval = CONF.calotype.task_timeout, CONF.calotype.task_interval
        return bool(test_utils.call_until_true(reached, timeout, interval))
