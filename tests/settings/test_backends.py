"""Which stores there are, with which options."""

import pytest

from calotype import errors
from calotype.settings.load import load
from calotype.settings.tree import Stores
from tests.settings.conftest import Write


def stores(write: Write, text: str) -> Stores:
    return load([write(text)]).stores


def refusals(write: Write, text: str) -> list[str]:
    path = write(text)
    with pytest.raises(errors.BadSettings) as caught:
        load([path])
    return [line.removeprefix(f"{path}: ") for line in caught.value.message.splitlines()]


def test_without_enabled_backends_stores_are_named_by_their_type(write: Write) -> None:
    found = stores(
        write,
        "[glance_store]\nstores = filesystem, rbd, https\ndefault_store = rbd\n"
        "filesystem_store_datadir = /srv/images\nrados_connect_timeout = 5\n",
    )
    assert not found.multi
    assert found.default == "rbd"
    assert [(each.id, each.type, each.weight) for each in found.backends] == [
        ("file", "file", 0),
        ("rbd", "rbd", 0),
        ("http", "http", 0),
    ]
    assert found.backends[0].options["filesystem_store_datadir"] == "/srv/images"
    assert found.backends[1].options["rados_connect_timeout"] == 5
    assert found.backends[2].options["https_insecure"] is True


@pytest.mark.parametrize("name", ["swift", "swift+http", "swift+https", "swift+config"])
def test_the_default_store_may_go_by_a_scheme(write: Write, name: str) -> None:
    found = stores(write, f"[glance_store]\nstores = file, swift\ndefault_store = {name}\n")
    assert found.default == "swift"


def test_each_named_store_has_its_own_section(write: Write) -> None:
    found = stores(
        write,
        "[DEFAULT]\nenabled_backends = Fast:file, slow:file, ceph:rbd\n"
        "[glance_store]\ndefault_backend = slow\n"
        "[Fast]\nfilesystem_store_datadir = /fast\nweight = 7\nstore_description = SSD\n"
        "[slow]\nfilesystem_store_datadir = /slow\nfilesystem_store_chunk_size = 1024\n"
        "[ceph]\nrbd_thin_provisioning = true\n"
        "[os_glance_staging_store]\nfilesystem_store_datadir = /staging\n",
    )
    assert found.multi
    assert found.default == "slow"
    fast, slow, ceph = found.backends
    assert (fast.id, fast.type, fast.weight, fast.description) == ("Fast", "file", 7, "SSD")
    assert fast.options["filesystem_store_datadir"] == "/fast"
    assert slow.options["filesystem_store_chunk_size"] == 1024
    assert fast.options["filesystem_store_chunk_size"] == 65536
    assert (ceph.type, ceph.description) == ("rbd", None)
    assert ceph.options["rbd_thin_provisioning"] is True
    assert "filesystem_store_datadir" not in ceph.options
    assert found.staging_dir == "/staging"
    assert found.tasks_dir == "/var/lib/glance/os_glance_tasks_store"


def test_an_empty_list_of_backends_is_none(write: Write) -> None:
    assert not stores(write, "[DEFAULT]\nenabled_backends =\n").multi


def test_staging_without_named_stores(write: Write) -> None:
    found = stores(write, "[DEFAULT]\nnode_staging_uri = file:///srv/staging/\n")
    assert (found.staging_dir, found.tasks_dir) == ("/srv/staging", "/srv/staging")
    assert stores(write, "[task]\nwork_dir = /srv/work\n").tasks_dir == "/srv/work"


def test_old_names_of_store_options(write: Write) -> None:
    found = stores(
        write,
        "[DEFAULT]\nenabled_backends = a:cinder, b:vmware\nvmware_api_insecure = true\n"
        "[glance_store]\ndefault_backend = a\n[a]\nos_region_name = north\n",
    )
    assert found.backends[0].options["cinder_os_region_name"] == "north"
    assert found.backends[1].options["vmware_insecure"] is True


NAMED = "[DEFAULT] enabled_backends: "
DEFAULT = "[glance_store] default_backend: "


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "[DEFAULT]\nenabled_backends = a:file, os_glance_b:file\n"
            "[glance_store]\ndefault_backend = a\n",
            [
                f"{NAMED}the name 'os_glance_b' begins with os_glance_, which is kept for the"
                " service"
            ],
        ),
        (
            "[DEFAULT]\nenabled_backends = a:floppy\n[glance_store]\ndefault_backend = a\n",
            [
                f"{NAMED}the type 'floppy' of 'a' is not one of file, http, rbd, s3, swift,"
                " cinder, vmware"
            ],
        ),
        (
            "[DEFAULT]\nenabled_backends = a:file, b:file\n",
            [f"{DEFAULT}is not set; with enabled_backends it must name one of a, b"],
        ),
        (
            "[DEFAULT]\nenabled_backends = a:file, b:file\n[glance_store]\ndefault_backend = c\n",
            [f"{DEFAULT}'c' is not one of enabled_backends, which are a, b"],
        ),
        (
            "[DEFAULT]\nenabled_backends = a:file\n[glance_store]\ndefault_backend = a\n"
            "[a]\nweight = heavy\nfilesystem_store_chunk_size = 0\n",
            [
                "[a] weight: 'heavy' is not a whole number",
                "[a] filesystem_store_chunk_size: '0' is not a whole number of 1 or more",
            ],
        ),
        (
            "[glance_store]\nstores = file, sheepdog\n",
            [
                "[glance_store] stores: 'sheepdog' is not one of file, http, rbd, s3, swift,"
                " cinder, vmware"
            ],
        ),
        (
            "[glance_store]\nstores = http\n",
            [
                "[glance_store] default_store: 'file' is not among [glance_store] stores, which"
                " are http"
            ],
        ),
        (
            "[glance_store]\nstores = s3\ndefault_store = s3\ns3_store_secret_key = hidden$x\n",
            [
                "[glance_store] s3_store_secret_key: refers with $ to an option that is not"
                " known; for a dollar sign write $$"
            ],
        ),
    ],
)
def test_what_cannot_work_is_refused(write: Write, text: str, lines: list[str]) -> None:
    assert refusals(write, text) == lines
