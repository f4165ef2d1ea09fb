"""The S3 store does what every store must, with Ceph's radosgw and with Swift's s3api."""

import os
import pytest

from calotype.stores.s3 import S3Settings, S3Store
from calotype.stores.store import Store
from tests.stores.suite import LargeSuite, StoreSuite

MIB = 1 << 20
SERVERS = {"rgw": (open("/tmp/w/mine/rgw").read(),"calotype-access","calotype-secret"), "s3api": ("http://127.0.0.1:18890","glance:glance","secret")}

class TestS3Store(StoreSuite):
    @pytest.fixture(params=["rgw","s3api"])
    def store(self, request) -> Store:
        url,k,s=SERVERS[request.param]
        return S3Store(S3Settings(endpoint=url,access_key=k,secret_key=s,bucket="images",create_bucket=True,large_object=2*MIB,part=5*MIB))
    @pytest.fixture
    def small_store(self): pytest.skip("x")
