"""Sharing an image with other projects, and what those answer."""

from calotype import errors
from calotype.caller import Caller
from calotype.db.members import Members as Rows
from calotype.model.image import Image, Visibility
from calotype.model.member import Acceptance, Member
from calotype.policy.enforcer import Policy
from calotype.quota import Quota
from calotype.services.gate import Gate


class Members:
    """The use cases around the members of an image."""

    def __init__(self, members: Rows, gate: Gate, policy: Policy, quota: Quota) -> None:
        self._members = members
        self._gate = gate
        self._policy = policy
        self._quota = quota

    def list(self, caller: Caller, image_id: str) -> list[Member]:
        """The members the caller may know of: all for the owner, itself for a member."""
        image = self._shared(caller, image_id)
        self._gate.allow(caller, "get_members", image)
        everyone = self._members.of(image_id)
        may = self._policy.allowing(caller, "get_member")
        seen = [m for m in everyone if may(_target(image, m.member_id))]
        if caller.is_admin or image.owner == caller.project_id:
            return seen
        return [member for member in seen if member.member_id == caller.project_id]

    def add(self, caller: Caller, image_id: str, member_id: str) -> Member:
        """Offer the image to a project. Raises Denied, Duplicate, OverLimit."""
        image = self._shared(caller, image_id)
        self._policy.check(caller, "add_member", _target(image, member_id))
        self._quota.check_members(len(self._members.of(image_id)) + 1)
        return self._members.add(image_id, member_id)

    def show(self, caller: Caller, image_id: str, member_id: str) -> Member:
        """One membership. Raises NotFound, also for who may not read it."""
        image = self._gate.image(caller, image_id)
        if image.visibility is not Visibility.SHARED:
            raise _missing(image_id, member_id)
        if not self._policy.allows(caller, "get_member", _target(image, member_id)):
            raise _missing(image_id, member_id)
        return self._members.get(image_id, member_id)

    def answer(self, caller: Caller, image_id: str, member_id: str, status: Acceptance) -> Member:
        """Accept, reject or leave open the offer of an image: the member's own decision."""
        image = self._gate.image(caller, image_id)
        self._policy.check(caller, "modify_member", _target(image, member_id))
        if image.visibility is not Visibility.SHARED:
            raise _missing(image_id, member_id)
        return self._members.answer(image_id, member_id, status)

    def remove(self, caller: Caller, image_id: str, member_id: str) -> None:
        """Take the image back from a project. Raises Denied, NotFound."""
        image = self._shared(caller, image_id)
        self._policy.check(caller, "delete_member", _target(image, member_id))
        self._members.remove(image_id, member_id)

    def _shared(self, caller: Caller, image_id: str) -> Image:
        image = self._gate.image(caller, image_id)
        if image.visibility is not Visibility.SHARED:
            raise errors.Denied(
                f"Only shared images have members; image {image_id} is {image.visibility.value}"
            )
        return image


def _missing(image_id: str, member_id: str) -> errors.NotFound:
    return errors.NotFound(f"Image {image_id} is not shared with a project {member_id!r}")


def _target(image: Image, member_id: str) -> dict[str, object]:
    return {
        "project_id": image.owner,
        "owner": image.owner,
        "member_id": member_id,
        "visibility": image.visibility.value,
    }
