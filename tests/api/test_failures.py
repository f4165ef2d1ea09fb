"""Which form an error takes for which client."""

import json

import pytest

from calotype.api.failures import readable

GLANCECLIENT = "python-glanceclient keystoneauth1/5.18.1 python-requests/2.34.2 CPython/3.11.7"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"HTTP_ACCEPT": "*/*"},
        {"HTTP_ACCEPT": "text/html", "HTTP_USER_AGENT": "Mozilla/5.0"},
        {"HTTP_ACCEPT": "", "HTTP_USER_AGENT": "openstacksdk/4.22.0 keystoneauth1/5.18.1"},
        {"HTTP_ACCEPT": "application/json", "HTTP_USER_AGENT": GLANCECLIENT},
    ],
)
def test_json(headers: dict[str, str]) -> None:
    media, body = readable(headers, 404, "Not “here”")
    assert media == "application/json"
    assert json.loads(body) == {
        "message": "Not “here”",
        "code": "404 Not Found",
        "title": "Not Found",
    }


@pytest.mark.parametrize("agent", ["python-glanceclient", GLANCECLIENT, f"nova {GLANCECLIENT}"])
@pytest.mark.parametrize("accept", [{}, {"HTTP_ACCEPT": "*/*"}])
def test_text_for_the_client_that_trips_over_json(agent: str, accept: dict[str, str]) -> None:
    media, body = readable({"HTTP_USER_AGENT": agent, **accept}, 404, "Not “here”")
    assert media == "text/plain; charset=utf-8"
    assert body.decode() == "404 Not Found: Not “here”"
