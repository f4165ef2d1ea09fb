"""Whatever a client sends, drawn from our own published description and around it: never a 5xx."""

import json
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from falcon.testing import TestClient
from hypothesis import strategies
from schemathesis import Case

from calotype.api.middleware import Application
from calotype.api.operations import OPERATIONS
from calotype.app import build
from calotype.parts import assemble, prepare
from calotype.settings.load import load

#: Images that are there when the questions begin.
IMAGES = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(3)]


@schemathesis.serializer(
    "application/openstack-images-v2.1-json-patch", "application/openstack-images-v2.0-json-patch"
)
def patch(_context: Any, value: Any) -> bytes:
    """A patch is JSON under another name."""
    return json.dumps(value).encode()


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("fuzz")
    settings = load(
        overrides={
            ("database", "connection"): f"sqlite:///{folder}/calotype.db",
            ("glance_store", "filesystem_store_datadir"): str(folder / "images"),
            ("DEFAULT", "calotype_drain_seconds"): 0,
            ("DEFAULT", "show_multiple_locations"): True,
            ("DEFAULT", "node_staging_uri"): f"file://{folder}/staging",
            ("DEFAULT", "image_cache_dir"): f"{folder}/cache",
            ("DEFAULT", "worker_self_reference_url"): "http://node-1:9292",
            ("paste_deploy", "flavor"): "cachemanagement",
        },
        use_defaults_only=True,
    )
    parts = assemble(settings)
    prepare(parts, create=True)
    application = build(parts)
    fill(application)
    yield application
    parts.database.close()


def closing(application: Application) -> Application:
    """The application as a server calls it: what it answers is read, and closed in any case."""

    def call(environ: Any, start_response: Any) -> list[bytes]:
        answer = application(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                close()

    return call


def fill(application: Application) -> None:
    """A queued image, one with data, and a shared one."""
    client = TestClient(application)
    formats = {"disk_format": "raw", "container_format": "bare", "own": "property"}
    for image_id in IMAGES:
        answer = client.simulate_post("/v2/images", json={"id": image_id, **formats})
        assert answer.status_code == 201
    octets = {"Content-Type": "application/octet-stream"}
    for image_id in IMAGES[1:]:
        path = f"/v2/images/{image_id}"
        assert client.simulate_put(f"{path}/file", body="data", headers=octets).status_code == 204
        assert client.simulate_post(f"{path}/members", json={"member": "m"}).status_code == 200


@pytest.fixture
def description(application: Application) -> Any:
    return schemathesis.openapi.from_wsgi("/v2/openapi.json", closing(application))


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda part: part)
def test_no_call_ends_in_a_5xx(description: Any, method: str, path: str) -> None:
    operation = description[path][method]

    @hypothesis.given(case=operation.as_strategy(), known=strategies.sampled_from([*IMAGES, None]))
    @hypothesis.settings(
        max_examples=40,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def ask(case: Case, known: str | None) -> None:
        if known is not None and "image_id" in case.path_parameters:
            case.path_parameters["image_id"] = known  # what is there is worth more questions
        answer = case.call()
        assert answer.status_code < 500, answer.text

    ask()
