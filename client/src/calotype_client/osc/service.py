"""The image service as `openstack` reaches it: the few calls that its own commands do not know."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from keystoneauth1 import exceptions as identity
from openstack import exceptions as sdk

JSON = "application/json"
#: Letters of a reason: what a proxy says in place of the service can be a whole page.
LONGEST = 300


class Refused(Exception):
    """What was asked for did not happen; the text is one line for the person who asked."""


class Service:
    """The image service of the cloud that `openstack` was told to use; `app` is its shell."""

    def __init__(self, app: Any) -> None:
        self._images = app.client_manager.image

    def find(self, name_or_id: str) -> dict[str, Any]:
        """The image of that name or id. Raises Refused when there is none, or more than one."""
        try:
            found = self._images.find_image(name_or_id, ignore_missing=False)
        except (sdk.SDKException, identity.ClientException) as error:
            refuse(error)
        return self.show(str(found.id))

    def show(self, image_id: str) -> dict[str, Any]:
        """An image as the service shows it."""
        return dict(self.ask("GET", f"/images/{image_id}"))

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, str] | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Ask, and give the JSON of the answer, or None. Raises Refused with the service's reason.

        `data` is sent as it is read, and once only: what is read cannot be sent again.
        """
        given: dict[str, Any] = {"headers": {"Accept": JSON, **(headers or {})}}
        if body is not None:
            given["json"] = body
        if data is not None:
            given |= {"data": data, "allow_reauth": False, "connect_retries": 0, "log": False}
        try:
            answer = self._images.request(path, method, raise_exc=False, **given)
        except (sdk.SDKException, identity.ClientException) as error:
            refuse(error)
        if answer.status_code >= 400:
            raise Refused(_reason(answer.status_code, answer.text))
        return answer.json() if answer.content else None


def refuse(error: Exception) -> NoReturn:
    """Raise Refused with the first line of what a library says."""
    said = getattr(error, "details", None) or str(error) or type(error).__name__
    raise Refused(_one_line(str(said))) from error


def _reason(status: int, text: str) -> str:
    """Why the service refuses: the message of its JSON, or what it says in its place."""
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    message = said.get("message") if isinstance(said, dict) else text
    return f"{_one_line(str(message or 'no reason is given'))} (HTTP {status})"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
