"""2023.1 adds nothing."""

revision = "2023_1_expand01"
down_revision = "zed_expand01"


def upgrade() -> None:
    """Nothing but the name of the revision changes."""
