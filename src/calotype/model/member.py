"""A project with which an image is shared."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Acceptance(StrEnum):
    """What a member answered to the offer of an image."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Member:
    """The membership of one project in one image."""

    image_id: str
    member_id: str
    status: Acceptance
    created_at: datetime
    updated_at: datetime
