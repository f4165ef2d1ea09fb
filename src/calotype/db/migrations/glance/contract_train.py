"""Where we take over from Glance: what contracts begins here."""

revision = "train_contract01"
down_revision = None
depends_on = "train_expand01"


def upgrade() -> None:
    """Nothing: no older database is upgraded, and a new one is made at the head in one step."""
