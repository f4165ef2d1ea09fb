"""The S3 store does what every store must, with Ceph's radosgw and with Swift's s3api."""

import uuid
from typing import ClassVar

import boto3
import pytest
from botocore.config import Config

from calotype.stores.s3 import S3Settings, S3Store
from calotype.stores.store import Store
from tests.backends.ceph import Ceph, Radosgw
from tests.backends.swift import Swift
from tests.stores.suite import LargeSuite, StoreSuite

MIB = 1 << 20
BUCKET = "calotype-images"


def settings_of(url: str, access_key: str, secret_key: str, bucket: str = BUCKET) -> S3Settings:
    return S3Settings(
        endpoint=url,
        access_key=access_key,
        secret_key=secret_key,
        bucket=bucket,
        create_bucket=True,
        large_object=2 * MIB,
        part=5 * MIB,
    )


class Direct:
    """What lies in the bucket, asked for without the driver."""

    def __init__(self, settings: S3Settings) -> None:
        self.bucket = settings.bucket
        self.api = boto3.client(
            "s3",
            endpoint_url=settings.endpoint,
            aws_access_key_id=settings.access_key,
            aws_secret_access_key=settings.secret_key,
            region_name=settings.region,
            config=Config(s3={"addressing_style": "path"}),
        )

    def names(self) -> set[str]:
        """Objects, and uploads that are not finished."""
        objects = self.api.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {it["Key"] for page in objects for it in page.get("Contents", ())} | self.uploads()

    def uploads(self) -> set[str]:
        """Keys of uploads that are not finished, with their ids."""
        found = self.api.list_multipart_uploads(Bucket=self.bucket)
        return {f"{it['Key']} {it['UploadId']}" for it in found.get("Uploads", ())}


@pytest.fixture(scope="module")
def radosgw_store(radosgw: Radosgw) -> S3Store:
    return S3Store(settings_of(radosgw.url, radosgw.access_key, radosgw.secret_key))


@pytest.fixture(scope="module")
def swift_store(swift: Swift) -> S3Store:
    return S3Store(settings_of(swift.url, swift.login.name, swift.login.key))


class S3Suite(StoreSuite, LargeSuite):
    def held(self, store: Store) -> set[str]:
        assert isinstance(store, S3Store)
        return Direct(store._settings).names()


class TestWithRadosgw(S3Suite):
    LARGE: ClassVar = [("sparse", True)]

    @pytest.fixture
    def store(self, radosgw_store: S3Store) -> Store:
        return radosgw_store

    @pytest.fixture
    def small_store(self, ceph: Ceph, radosgw: Radosgw) -> Store:
        name = f"small-{uuid.uuid4().hex}"
        ceph.radosgw_admin("user", "create", "--uid", name, "--display-name", name,
                           "--access-key", name, "--secret-key", "secret")  # fmt: skip
        # Less than one part: those that are sent at the same time are not counted together.
        ceph.radosgw_admin("quota", "set", "--uid", name, "--quota-scope", "user",
                           "--max-size", "4M")  # fmt: skip
        ceph.radosgw_admin("quota", "enable", "--uid", name, "--quota-scope", "user")
        return S3Store(settings_of(radosgw.url, name, "secret", bucket=name))


class TestWithSwift(S3Suite):
    LARGE: ClassVar = [("sparse", False)]

    @pytest.fixture
    def store(self, swift_store: S3Store) -> Store:
        return swift_store

    @pytest.fixture
    def small_store(self, swift: Swift) -> Store:
        name = f"small-{uuid.uuid4().hex}"
        for container in (name, f"{name}+segments"):
            swift.ask("PUT", f"/{container}", {"X-Container-Meta-Quota-Bytes": str(4 * MIB)})
        return S3Store(settings_of(swift.url, swift.login.name, swift.login.key, bucket=name))
