"""The private Ceph itself: what the tests of the stores rely on."""

import json

from tests.backends.ceph import Ceph


def test_it_takes_images_in_each_pool(ceph: Ceph) -> None:
    for pool in ("images", "more", "volumes"):
        ceph.rbd("create", "--size", "3G", f"{pool}/probe")
        assert "probe" in ceph.rbd("ls", pool).split()
        ceph.rbd("rm", f"{pool}/probe")


def test_its_users_may_do_what_their_services_need(ceph: Ceph) -> None:
    users = {name: ceph.keyring(name).read_text() for name in ("glance", "cinder")}
    for name, keyring in users.items():
        assert f"[client.{name}]" in keyring
        assert ceph.key(name) in keyring
    ceph.rbd("--id", "glance", "create", "--size", "1M", "images/probe")
    assert json.loads(ceph.rbd("--id", "cinder", "--format", "json", "info", "images/probe"))
    ceph.rbd("--id", "glance", "rm", "images/probe")
