"""The calls of the five features, as Tempest calls an API."""

import io
import json
from collections.abc import Iterator
from typing import Any

from tempest.lib.common import rest_client

BLOCK = 64 * 1024


class FeaturesClient(rest_client.RestClient):
    """What Calotype adds to the Image API v2."""

    api_version = "v2"

    def calculate_hash(self, image_id: str, algorithm: str | None = None) -> Any:
        """Begin to calculate the digests of an image; the task that does it."""
        body = {} if algorithm is None else {"os_hash_algo": algorithm}
        resp, answer = self.post(f"images/{image_id}/hash", json.dumps(body))
        self.expected_success(202, resp.status)
        return rest_client.ResponseBody(resp, json.loads(answer))

    def list_image_tasks(self, image_id: str) -> Any:
        """The tasks of an image that have not expired."""
        resp, answer = self.get(f"images/{image_id}/tasks")
        self.expected_success(200, resp.status)
        return rest_client.ResponseBody(resp, json.loads(answer))

    def list_cached_nodes(self, image_id: str) -> Any:
        """The nodes that have an image in their cache."""
        resp, answer = self.get(f"cache/nodes/{image_id}")
        self.expected_success(200, resp.status)
        return rest_client.ResponseBodyData(resp, json.loads(answer))

    def upload(self, image_id: str, data: bytes, size: object) -> Any:
        """Upload data without saying its length, only the size that is declared."""
        return self._send(f"images/{image_id}/file", data, size)

    def stage(self, image_id: str, data: bytes, size: object) -> Any:
        """The same to the staging area."""
        return self._send(f"images/{image_id}/stage", data, size)

    def _send(self, url: str, data: bytes, size: object) -> Any:
        headers = {
            "Content-Type": "application/octet-stream",
            "x-openstack-image-size": str(size),
        }
        resp, _ = self.request("PUT", url, headers=headers, body=_blocks(data), chunked=True)
        self.expected_success(204, resp.status)
        return rest_client.ResponseBody(resp)


def _blocks(data: bytes) -> Iterator[bytes]:
    source = io.BytesIO(data)
    return iter(lambda: source.read(BLOCK), b"")
