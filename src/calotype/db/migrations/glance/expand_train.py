"""Where we take over from Glance: what expands begins here.

From here to 2024.1 stand Glance's own revisions under their own names, so that a database is at
every moment at one that Glance knows, too. For each release it has one that adds (`expand`) and one
that takes away what is of no use any more (`contract`), in two branches.
"""

revision = "train_expand01"
down_revision = None


def upgrade() -> None:
    """Nothing: no older database is upgraded, and a new one is made at the head in one step."""
