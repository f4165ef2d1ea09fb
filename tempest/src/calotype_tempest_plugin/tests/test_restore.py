"""An operator brings back an image whose delete is pending."""

import shlex
import subprocess

from tempest.lib import decorators
from tempest.lib import exceptions as lib_exc

from calotype_tempest_plugin.tests import feature

CONF = feature.CONF


class RestoreTest(feature.FeatureTest):
    """The command of [calotype] restore_command; there is no call of the API for it."""

    flag = "restore_command"

    @decorators.idempotent_id("b18f1bb8-1cad-4097-b4a0-d4901dea0cec")
    def test_restore_a_deleted_image(self) -> None:
        """Gone after the delete, there with its data after the restore."""
        image_id, data = self.active_image()
        self.client.delete_image(image_id)
        self.assertRaises(lib_exc.NotFound, self.client.show_image, image_id)
        done = self._restore(image_id)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual("active", self.client.show_image(image_id)["status"])
        self.assert_data(image_id, data)

    @decorators.attr(type="negative")
    @decorators.idempotent_id("66cc92fe-2273-4dd0-bb77-e639c87c6be2")
    def test_restore_an_image_that_is_not_deleted(self) -> None:
        """Refused, and the image stays active."""
        image_id, _ = self.active_image()
        self.assertNotEqual(0, self._restore(image_id).returncode)
        self.assertEqual("active", self.client.show_image(image_id)["status"])

    def _restore(self, image_id: str) -> "subprocess.CompletedProcess[str]":
        words = [*shlex.split(CONF.calotype.restore_command), image_id]
        patience = CONF.calotype.task_timeout
        return subprocess.run(words, capture_output=True, text=True, timeout=patience, check=False)
