"""Nodes that ask who calls: an admin, a member and a reader."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bcrypt

from tests.cache.site import Node
from tests.tasks.site import NAMES, USERS

SECTION = "[oslo_middleware]\nhttp_basic_auth_user_file = {folder}/htpasswd\n"


def guarded(
    folder: Path,
    *arguments: str,
    flavor: str = "http_basic+caching",
    default: str = "",
    store: Path | None = None,
    database: str | None = None,
) -> Node:
    """A node that lets in whom it knows, each with a password that is the name."""
    folder.mkdir(parents=True, exist_ok=True)
    hashed = {name: bcrypt.hashpw(name.encode(), bcrypt.gensalt(4)).decode() for name in NAMES}
    (folder / "htpasswd").write_text("".join(f"{n}:{hashed[n]}\n" for n in NAMES))
    (folder / "users.yaml").write_text(USERS)
    return Node(
        folder,
        *("--workers", "1", "--no-worker", *arguments),
        flavor=flavor,
        store=store,
        default=f"calotype_basic_auth_users = {folder}/users.yaml\n{default}",
        extra=SECTION.format(folder=folder),
        database=database,
    )


def start(nodes: list[Node]) -> None:
    """Start several nodes on one database."""
    synced = nodes[0].run("db", "sync")
    assert synced.returncode == 0, synced.stderr
    with ThreadPoolExecutor(len(nodes)) as pool:
        list(pool.map(Node.start, nodes))
