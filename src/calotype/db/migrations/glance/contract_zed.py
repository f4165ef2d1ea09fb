"""Zed takes nothing away."""

revision = "zed_contract01"
down_revision = "yoga_contract01"
depends_on = "zed_expand01"


def upgrade() -> None:
    """Nothing but the name of the revision changes."""
