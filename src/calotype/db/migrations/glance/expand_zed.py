"""Zed adds nothing."""

revision = "zed_expand01"
down_revision = "yoga_expand01"


def upgrade() -> None:
    """Nothing but the name of the revision changes."""
