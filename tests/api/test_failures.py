"""What errors look like to clients, and what they do not tell."""

import inspect
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import falcon
import pytest

from calotype import errors
from calotype.api import failures
from calotype.app import build, dispatcher
from calotype.db.engine import connect
from calotype.db.images import Images
from tests.api.cases import (
    ADMIN,
    NOWHERE,
    OCTETS,
    Answer,
    Client,
    Given,
    Site,
    call,
    environ_of,
)
from tests.api.conftest import MakeSite

# -- the table ---------------------------------------------------------------------------------

ERRORS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.Error)
]

#: Each error and the status it is to have; what is not here is told by the nearest class above.
STATUS = {
    errors.Invalid: 400,
    errors.SizeMismatch: 400,
    errors.ClientGone: 400,
    errors.Unsupported: 400,
    errors.Unauthenticated: 401,
    errors.Denied: 403,
    errors.NotFound: 404,
    errors.ImageNotFound: 404,
    errors.Conflict: 409,
    errors.Duplicate: 409,
    errors.InUse: 409,
    errors.ChangedMeanwhile: 409,
    errors.DataExists: 409,
    errors.DataInUse: 409,
    errors.Gone: 410,
    errors.StoreReadOnly: 410,
    errors.OverLimit: 413,
    errors.StoreFull: 413,
    errors.UnsupportedMedia: 415,
    errors.RangeNotSatisfiable: 416,
    errors.StoreUnavailable: 503,
    errors.DatabaseUnavailable: 503,
    errors.Contention: 503,
    errors.StoreError: 500,
    errors.DataNotFound: 500,
    errors.Error: 500,
}


def ask(error: Exception, method: str = "GET", **headers: str) -> Answer:
    """The answer of an application whose only handler raises this error."""

    def broken(_req: falcon.Request, resp: falcon.Response) -> None:
        resp.text = "half an answer"
        raise error

    application: Any = dispatcher({"/": {"GET": broken, "HEAD": broken}})
    return call(application, environ_of(method, "/", None, headers))


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_the_status_of_each_error(kind: type[errors.Error]) -> None:
    status = STATUS.get(kind, failures.status_of(kind()))
    answer = ask(kind("what happened")).gave(status, "what happened")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["code"].startswith(f"{status} ")
    assert answer.json["code"].removeprefix(f"{status} ") == answer.json["title"]


def test_an_error_without_a_message_says_what_its_class_is_for() -> None:
    ask(errors.ChangedMeanwhile()).gave(409, "changed by somebody else meanwhile")


def test_an_error_of_a_kind_that_came_later() -> None:
    class Later(errors.OverLimit):
        """Too much of something new."""

    ask(Later()).gave(413, "Too much of something new.")


@pytest.mark.parametrize(
    "error", [RuntimeError("secret"), KeyError("secret"), RecursionError("secret")]
)
def test_defects_are_logged_and_not_told(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    answer = ask(error).gave(500, "its log tells the operator why")
    assert b"secret" not in answer.body
    assert b"half an answer" not in answer.body
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info and record.exc_info[1] is error


def test_a_head_request_gets_no_body() -> None:
    answer = ask(errors.NotFound(), "HEAD").gave(404)
    assert answer.body == b""


@pytest.mark.parametrize(
    "message",
    ['"quoted" \\ back', "Grüße 漢字 \N{GRINNING FACE}", "\0\n\t\x7f", "<script>", "x" * 9999],
)
def test_messages_arrive_as_they_are(message: str) -> None:
    assert ask(errors.Invalid(message)).message == message


#: A client's headers and whether it gets errors as JSON.
@pytest.mark.parametrize(
    ("headers", "as_json"),
    [
        ({}, True),
        ({"Accept": "*/*"}, True),
        ({"Accept": "text/html"}, True),
        ({"Accept": "text/plain"}, True),
        ({"User-Agent": "openstacksdk/4.0 keystoneauth1/5.8"}, True),
        ({"User-Agent": "Mozilla/5.0", "Accept": "text/html"}, True),
        ({"User-Agent": "python-glanceclient"}, False),
        ({"User-Agent": "python-glanceclient keystoneauth1/5.18.1 python-requests/2.34"}, False),
        ({"User-Agent": "nova python-glanceclient keystoneauth1/5.18.1"}, False),
        ({"User-Agent": "python-glanceclient", "Accept": "*/*"}, False),
        ({"User-Agent": "python-glanceclient", "Accept": "application/json"}, True),
    ],
)
def test_the_form_of_an_error(headers: dict[str, str], as_json: bool) -> None:
    answer = ask(errors.NotFound("Not “here”"), **headers).gave(404)
    if as_json:
        message = {"message": "Not “here”", "code": "404 Not Found", "title": "Not Found"}
        assert answer.json == message
    else:
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.body.decode() == "404 Not Found: Not “here”"


# -- the whole application in trouble ----------------------------------------------------------


def test_every_answer_names_its_request(member: Client) -> None:
    given = {"X-Openstack-Request-Id": "req-mine"}
    for method, path, status in [
        ("GET", "/v2/images", 200),
        ("GET", f"/v2/images/{NOWHERE}", 404),
        ("GET", "/v2/nothing", 404),
        ("PUT", "/v2/images", 405),
        ("POST", "/v2/images", 400),
        ("GET", "/versions", 200),
    ]:
        answer = member.ask(method, path, None, given).gave(status)
        assert answer.headers["x-openstack-request-id"] == "req-mine"


def test_a_database_that_is_away(make_site: MakeSite, tmp_path: Path) -> None:

    site = make_site()
    away = connect(f"sqlite:///{tmp_path}/no/such/folder/calotype.db")
    parts = replace(site.parts, database=away, images=Images(away))
    broken = Site(parts, build(parts, strategy=Given())).of(ADMIN)
    for method, path, body in [
        ("GET", "/v2/images", None),
        ("GET", f"/v2/images/{NOWHERE}", None),
        ("POST", "/v2/images", {}),
        ("DELETE", f"/v2/images/{NOWHERE}", None),
    ]:
        answer = broken.ask(method, path, body, breaks=True).gave(503, "try again later")
        assert "folder" not in answer.message
    broken.get("/versions").gave(200)
    broken.get("/healthcheck").gave(200)
    away.close()


def test_a_client_that_goes_in_the_middle_of_its_json(member: Client) -> None:
    headers = {"Content-Length": "1000"}
    member.ask("POST", "/v2/images", b'{"name": "half', headers).gave(400)
    assert member.ids() == []


def test_a_refused_upload_changes_nothing(member: Client) -> None:
    image_id = member.create()
    before = member.image(image_id)
    octets = {"Content-Type": OCTETS}
    member.ask("PUT", f"/v2/images/{image_id}/file", b"x", octets).gave(400, "disk_format")
    assert member.image(image_id) == before
