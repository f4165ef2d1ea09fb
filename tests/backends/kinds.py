"""The kinds of backends, as the tests see them that are the same for all: configured and listed.

What lies in a backend is asked of the backend itself, by its own tools, and not by our drivers.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import boto3
import pytest
from botocore.config import Config

from tests.backends.ceph import Ceph, Radosgw
from tests.backends.cinder import MULTIATTACH, Cinder
from tests.backends.swift import STORE, Swift
from tests.keystone import PASSWORD, REGION

#: Data above this goes in parts or segments, in bytes, to backends that know such; and their size.
LARGE, PART = 16 << 20, 8 << 20

#: The file in which both services look for the account of a Swift store.
_ACCOUNTS = """\
[ref1]
user = {user.project}:{user.name}
key = {key}
auth_address = {url}
auth_version = 3
user_domain_id = default
project_domain_id = default
"""

#: What Nova says of the machine that a volume gets attached to.
_MACHINE = {
    "host": "elsewhere", "ip": "127.0.0.1", "initiator": "iqn.2024-01.example:elsewhere",
    "platform": "x86_64", "os_type": "linux", "multipath": False,
}  # fmt: skip

Options = Mapping[str, object]


class Backend(Protocol):
    """One backend with two stores in it.

    `type`: the type of the stores. `copies`: whether the backend itself copies from one to the
    other. `reading_holds`: whether data that is being read cannot be deleted.
    """

    type: str
    copies: bool
    reading_holds: bool

    def stores(self) -> tuple[Options, Options]:
        """The options of the two."""
        ...

    def held(self) -> set[str]:
        """A line for each thing that lies there for images, snapshots and parts too."""
        ...


@runtime_checkable
class Shared(Protocol):
    """A backend whose data others of the cloud use where it lies."""

    def using(self, url: str) -> AbstractContextManager[None]:
        """Somebody uses the data at a location while the block runs."""
        ...


class Files:
    """Folders."""

    type = "file"
    copies = False
    reading_holds = False

    def __init__(self, folder: Path) -> None:
        self._folders = [folder / "one", folder / "two"]

    def stores(self) -> tuple[Options, Options]:
        one, two = ({"filesystem_store_datadir": str(folder)} for folder in self._folders)
        return one, two

    def held(self) -> set[str]:
        return {str(path) for folder in self._folders for path in folder.glob("**/*")}


class Rbd:
    """Two pools of a Ceph."""

    type = "rbd"
    copies = True
    reading_holds = False

    def __init__(self, ceph: Ceph) -> None:
        self._ceph = ceph
        self._pools = ("images", "more")

    def stores(self) -> tuple[Options, Options]:
        one, two = (
            {
                "rbd_store_ceph_conf": str(self._ceph.config),
                "rbd_store_user": "glance",
                "rbd_store_pool": pool,
            }
            for pool in self._pools
        )
        return one, two

    def held(self) -> set[str]:
        found = set()
        for pool in self._pools:
            listed = json.loads(self._ceph.rbd("ls", "--long", "--format", "json", pool))
            found |= {f"{pool}/{it['image']}@{it.get('snapshot', '')}" for it in listed}
            waste = json.loads(self._ceph.rbd("trash", "ls", "--format", "json", pool))
            found |= {f"{pool}: trash {it['name']}" for it in waste}
        return found

    @contextmanager
    def using(self, url: str) -> Iterator[None]:
        """A volume that was cloned from an image, as Cinder makes it."""
        pool, image, snapshot = url.split("/")[-3:]
        volume = f"volumes/{uuid.uuid4()}"
        self._ceph.rbd("--id", "cinder", "clone", f"{pool}/{image}@{snapshot}", volume)
        try:
            yield
        finally:
            self._ceph.rbd("rm", "--no-progress", volume)


class S3:
    """Two buckets of an S3 service."""

    type = "s3"
    copies = True
    reading_holds = False

    def __init__(self, url: str, access_key: str, secret_key: str, **more: object) -> None:
        self._options: dict[str, object] = {
            "s3_store_host": url,
            "s3_store_access_key": access_key,
            "s3_store_secret_key": secret_key,
            "s3_store_create_bucket_on_put": True,
            "s3_store_bucket_url_format": "path",
            "s3_store_large_object_size": LARGE >> 20,
            "s3_store_large_object_chunk_size": PART >> 20,
            **more,
        }
        self._buckets = [f"images-{uuid.uuid4().hex[:8]}" for _ in range(2)]
        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            region_name=str(more.get("s3_store_region_name", "us-east-1")),
            config=Config(s3={"addressing_style": "path"}),
        )
        # That of the first upload is never among what an upload left.
        for bucket in self._buckets:
            self._s3.create_bucket(Bucket=bucket)

    def stores(self) -> tuple[Options, Options]:
        one, two = ({**self._options, "s3_store_bucket": bucket} for bucket in self._buckets)
        return one, two

    def held(self) -> set[str]:
        found = set()
        for bucket in self._buckets:
            objects = self._s3.list_objects_v2(Bucket=bucket).get("Contents", [])
            found |= {f"{bucket}/{it['Key']}" for it in objects}
            parts = self._s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
            found |= {f"{bucket}: unfinished {it['Key']}" for it in parts}
        return found


class Objects:
    """Two containers of a Swift, in the account of a user of Keystone."""

    type = "swift"
    copies = True
    reading_holds = False

    def __init__(
        self, swift: Swift, folder: Path, *, large: int = LARGE >> 20, part: int = PART >> 20
    ) -> None:
        """`large`, `part`: in MiB."""
        assert swift.keystone is not None
        self._swift = swift
        self._account = f"AUTH_{swift.keystone.projects[STORE.project]}"
        self._containers = [f"images-{uuid.uuid4().hex[:8]}" for _ in range(2)]
        accounts = folder / "swift.conf"
        accounts.write_text(_ACCOUNTS.format(url=swift.keystone.url, user=STORE, key=PASSWORD))
        self._options: dict[str, object] = {
            "swift_store_config_file": accounts,
            "swift_store_region": REGION,
            "swift_store_create_container_on_put": True,
            "swift_store_large_object_size": large,
            "swift_store_large_object_chunk_size": part,
        }

    def stores(self) -> tuple[Options, Options]:
        one, two = ({**self._options, "swift_store_container": it} for it in self._containers)
        return one, two

    def held(self) -> set[str]:
        return {
            f"{container}/{name}"
            for container in self._containers
            for name in self._swift.names(container, account=self._account)
        }


class Volumes:
    """Volumes of Cinder, of two types."""

    type = "cinder"
    copies = False
    reading_holds = True

    def __init__(self, cinder: Cinder) -> None:
        self._cinder = cinder
        self._client = cinder.client()

    def stores(self) -> tuple[Options, Options]:
        return (
            self._cinder.options(cinder_volume_type="plain"),
            self._cinder.options(cinder_volume_type=MULTIATTACH),
        )

    def held(self) -> set[str]:
        found = {f"{it.name} {it.id}" for it in self._client.volumes.list()}
        found |= {f"attachment {it.id}" for it in self._client.attachments.list()}
        return found | {f"snapshot {it.id}" for it in self._client.volume_snapshots.list()}

    @contextmanager
    def using(self, url: str) -> Iterator[None]:
        """A machine that has the volume, as Nova tells it."""
        volume, machine = url.rpartition("/")[2], str(uuid.uuid4())
        made = self._client.attachments.create(volume, _MACHINE, machine)
        self._client.attachments.complete(made["id"])
        try:
            yield
        finally:
            self._client.attachments.delete(made["id"])


def make(kind: str, request: pytest.FixtureRequest, folder: Path) -> Backend:
    """A backend of a kind, its servers being started. Skips where those are missing."""
    server = request.getfixturevalue
    match kind:
        case "file":
            return Files(folder)
        case "rbd":
            return Rbd(server("ceph"))
        case "s3":
            gateway: Radosgw = server("radosgw")
            return S3(gateway.url, gateway.access_key, gateway.secret_key)
        case "s3-of-swift":
            swift: Swift = server("swift")
            return S3(swift.url, swift.login.name, swift.login.key)
        case "swift":
            return Objects(server("swift"), folder)
        case "cinder":
            return Volumes(server("cinder"))
    raise ValueError(kind)


#: All of them, by name, and those that are Shared.
KINDS = ("file", "rbd", "s3", "s3-of-swift", "swift", "cinder")
SHARED = ("rbd", "cinder")
