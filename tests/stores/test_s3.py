"""The S3 store does what every store must, with Ceph's radosgw and with Swift's s3api."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import boto3
import pytest
from botocore.config import Config

from calotype.stores.s3 import S3Settings, S3Store
from calotype.stores.store import Store
from tests.backends.ceph import Radosgw
from tests.backends.swift import Swift
from tests.stores.suite import LargeSuite, StoreSuite

MIB = 1 << 20
BUCKET = "calotype-images"


def settings_of(url: str, access_key: str, secret_key: str) -> S3Settings:
    return S3Settings(
        endpoint=url,
        access_key=access_key,
        secret_key=secret_key,
        bucket=BUCKET,
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


class S3Suite(StoreSuite, LargeSuite):
    def held(self, store: Store) -> set[str]:
        assert isinstance(store, S3Store)
        return Direct(store._settings).names()


class TestWithRadosgw(S3Suite):
    @pytest.fixture(scope="class")
    def store(self, radosgw: Radosgw) -> Store:
        return S3Store(settings_of(radosgw.url, radosgw.access_key, radosgw.secret_key))

    @pytest.fixture
    def small_store(self, ceph, radosgw: Radosgw) -> Iterator[Store]:
        settings = settings_of(radosgw.url, radosgw.access_key, radosgw.secret_key)
        settings = replace(settings, bucket="small")
        yield S3Store(settings)


class TestWithSwift(S3Suite):
    @pytest.fixture(scope="class")
    def store(self, swift: Swift) -> Store:
        return S3Store(settings_of(swift.url, swift.login.name, swift.login.key))

    @pytest.fixture
    def small_store(self, swift: Swift) -> Iterator[Store]:
        settings = settings_of(swift.url, swift.login.name, swift.login.key)
        settings = replace(settings, bucket="small")
        yield S3Store(settings)
