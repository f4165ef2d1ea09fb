"""What Alembic runs: one tree's revisions, on the connection and transaction of the caller."""

from alembic import context

_handed_over = context.config.attributes
context.configure(
    connection=_handed_over["connection"], version_table=_handed_over["version_table"]
)
with context.begin_transaction():
    context.run_migrations()
