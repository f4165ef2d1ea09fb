"""Yoga adds nothing."""

revision = "yoga_expand01"
down_revision = "xena_expand01"


def upgrade() -> None:
    """Nothing but the name of the revision changes."""
