"""The members of an image over HTTP: /v2/images/{id}/members."""

from dataclasses import dataclass

import falcon

from calotype.api import render, web
from calotype.api.bodies import Bodies
from calotype.model.member import Acceptance
from calotype.services.members import Members


@dataclass(frozen=True)
class MembersApi:
    """The handlers of members."""

    members: Members
    bodies: Bodies

    def list(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """GET …/members: those the caller may know of. 200."""
        web.no_body(req)
        found = self.members.list(web.caller(req), image_id)
        listed = [render.member(member) for member in found]
        web.put_json(resp, {"members": listed, "schema": "/v2/schemas/members"})

    def add(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """POST …/members: share the image with one more project. 200."""
        member_id = self.bodies.check_member(web.json_body(req))
        web.put_json(resp, render.member(self.members.add(web.caller(req), image_id, member_id)))

    def show(
        self, req: falcon.Request, resp: falcon.Response, image_id: str, member_id: str
    ) -> None:
        """GET …/members/{member}. 200."""
        web.no_body(req)
        web.put_json(resp, render.member(self.members.show(web.caller(req), image_id, member_id)))

    def answer(
        self, req: falcon.Request, resp: falcon.Response, image_id: str, member_id: str
    ) -> None:
        """PUT …/members/{member}: the member accepts, rejects, or leaves it open. 200."""
        status = Acceptance(self.bodies.check_member_status(web.json_body(req)))
        member = self.members.answer(web.caller(req), image_id, member_id, status)
        web.put_json(resp, render.member(member))

    def remove(
        self, req: falcon.Request, resp: falcon.Response, image_id: str, member_id: str
    ) -> None:
        """DELETE …/members/{member}. 204."""
        web.no_body(req)
        self.members.remove(web.caller(req), image_id, member_id)
        resp.status = 204
