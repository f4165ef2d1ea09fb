"""The page about the types of store: what each can do, told by its driver without a backend."""

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from calotype.parts import makers
from calotype.settings.load import load
from calotype.stores.store import POWERS, Store, powers

#: Where the page of a type lies, if it has one.
FOLDER = Path(__file__).parents[1] / "docs" / "operate" / "stores"

#: Type -> what it is called, what is installed for it, options with which it can be made.
TYPES: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "file": ("files", "", {"filesystem_thin_provisioning": True}),
    "http": ("data on the web", "", {}),
    "rbd": ("Ceph", "`python3-rbd` of the distribution", {"rbd_thin_provisioning": True}),
    "s3": (
        "S3",
        "`calotype[s3]`",
        {
            "s3_store_host": "https://s3.example",
            "s3_store_access_key": "key",
            "s3_store_secret_key": "secret",
            "s3_store_bucket": "images",
        },
    ),
    "swift": (
        "Swift",
        "`calotype[swift]`",
        {
            "swift_store_auth_address": "https://identity.example/v3",
            "swift_store_user": "service:image",
            "swift_store_key": "secret",
        },
    ),
    "cinder": (
        "volumes of Cinder",
        "`calotype[cinder]`",
        {
            "cinder_store_auth_address": "https://identity.example/v3",
            "cinder_store_user_name": "image",
            "cinder_store_password": "secret",
            "cinder_store_project_name": "service",
        },
    ),
}

PAGE = """\
# The types of store

Made by `make docs` from the drivers. A store is one line in `enabled_backends`, as `name:type`, and
a section with its options ([all of them](../settings.md#stores)). How they are used together says
[several stores](../multi-store.md), and how to see whether they work, [check.md](check.md).

A driver and the library of its backend are loaded where a store of its type is configured, and
nowhere else. Without the library the service does not start, and says what brings it.
"""
MEANINGS = """\
What a store can do beyond keeping data is its **powers**, which `calotype stores list` and
`GET /v2/info/stores/detail` tell:

| power | meaning |
|---|---|
| range | a part is read without what lies before it |
| sparse | blocks of zeros take no room, where thin provisioning is switched on |
| direct url | others of the cloud use the address of the data itself, e.g. to clone from it |
| server-side copy | from another store of this backend, without the data coming here |
| takes files | a staged or local file becomes an image without its data being read here |
| opens files | the server sends the data with `sendfile` |
| sweeping | what belongs to no image is found and removed |

A store without *sweeping* keeps what a crash has left there until somebody removes it by hand.
"""


def stores() -> str:
    """The page."""
    made = {kind: _sample(kind) for kind in TYPES if is_there(kind)}
    head = ["type", "keeps images in", "addresses", "install", *POWERS]
    lines = [PAGE, f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(_row(kind, store))} |" for kind, store in made.items()]
    return "\n".join([*lines, "", MEANINGS])


def is_there(kind: str) -> bool:
    """Whether the type has a driver."""
    name = {"file": "filesystem"}.get(kind, kind)
    return importlib.util.find_spec(f"calotype.stores.{name}") is not None


def _sample(kind: str) -> Store:
    """A store of the type. Raises BadSettings where its library is missing."""
    settings = load(use_defaults_only=True)
    return makers(settings)[kind](kind, TYPES[kind][2])


def _row(kind: str, store: Store) -> Iterator[str]:
    called, install, _ = TYPES[kind]
    has = powers(store)
    yield f"[{kind}]({kind}.md)" if (FOLDER / f"{kind}.md").exists() else kind
    yield called if store.traits.writable else f"{called}, read only"
    yield ", ".join(f"`{scheme}`" for scheme in store.traits.schemes)
    yield install or "–"
    yield from ("x" if power in has else "" for power in POWERS)
