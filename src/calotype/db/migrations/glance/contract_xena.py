"""Xena takes nothing away."""

revision = "xena_contract01"
down_revision = "wallaby_contract01"
depends_on = "xena_expand01"


def upgrade() -> None:
    """Nothing but the name of the revision changes."""
