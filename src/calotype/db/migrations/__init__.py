"""Two trees of Alembic revisions: `glance` for the shared schema, `calotype` for our own tables.

Each has a version table of its own, so that Glance finds what it knows and nothing else.
`schema` runs them; a new revision is a file in the tree's folder that names the one before it.
"""
