"""Ussuri adds nothing."""

revision = "ussuri_expand01"
down_revision = "train_expand01"


def upgrade() -> None:
    """Nothing but the name of the revision changes."""
