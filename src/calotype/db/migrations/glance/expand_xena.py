"""Xena adds nothing."""

revision = "xena_expand01"
down_revision = "wallaby_expand01"


def upgrade() -> None:
    """Nothing but the name of the revision changes."""
