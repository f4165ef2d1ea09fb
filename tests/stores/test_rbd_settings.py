"""The options of RBD stores, and where Ceph's library is found."""

import importlib.machinery
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from calotype.errors import BadSettings
from calotype.settings.store_options import RBD
from calotype.stores.rbd_settings import RbdSettings

FSID = "480c7c44-dea9-4d8c-9f6b-48ced1a6c0a8"


def test_the_defaults_are_those_of_the_options() -> None:
    options = {option.name: option.default for option in RBD}
    assert RbdSettings.from_options(options) == RbdSettings()
    assert RbdSettings.from_options({}) == RbdSettings()


def test_options_become_settings() -> None:
    options: dict[str, Any] = {
        "rbd_store_pool": "p", "rbd_store_user": "u", "rbd_store_ceph_conf": "/c",
        "rbd_store_chunk_size": 4, "rados_connect_timeout": 7, "rbd_thin_provisioning": True,
    }  # fmt: skip
    settings = RbdSettings.from_options(options)
    assert settings == RbdSettings("p", "u", "/c", 4 << 20, 7, True)
    assert settings.order == 22


@pytest.mark.parametrize("timeout", [-1, 0, None])
def test_no_timeout_is_that_of_ceph(timeout: int | None) -> None:
    assert RbdSettings.from_options({"rados_connect_timeout": timeout}).connect_timeout == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rbd_store_chunk_size": 3}, "rbd_store_chunk_size = 3 must be a power of two"),
        ({"rbd_store_chunk_size": 0}, "rbd_store_chunk_size = 0 must be"),
        ({"rbd_store_chunk_size": 64}, "rbd_store_chunk_size = 64 must be .* from 1 to 32"),
        ({"rbd_store_pool": ""}, "rbd_store_pool: name the pool"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        RbdSettings.from_options(options)


@pytest.mark.parametrize(
    ("text", "fsid"),
    [
        (f"[global]\nfsid = {FSID}\n", FSID),
        (f"[global]\n\tFSID={FSID}\n".replace("FSID=", "fsid="), FSID),
        (f"[global]\nfsid = {FSID.upper()}  # ours\n", FSID),
        (f"[global]\n#fsid = {FSID}\n", None),
        ("[global]\nmon host = x\n", None),
    ],
)
def test_the_id_of_the_cluster_is_read(tmp_path: Path, text: str, fsid: str | None) -> None:
    config = tmp_path / "ceph.conf"
    config.write_text(text)
    assert RbdSettings(ceph_conf=str(config)).configured_fsid() == fsid


def test_without_a_configuration_the_id_is_not_known(tmp_path: Path) -> None:
    assert RbdSettings(ceph_conf=str(tmp_path / "absent")).configured_fsid() is None


class TestLibrary:
    @pytest.fixture
    def load(self, missing_server: Any) -> Any:
        try:
            from calotype.stores.rbd_library import load
        except ModuleNotFoundError as error:
            missing_server("Ceph", f"{error}: apt-get install python3-rbd")
        return load

    def test_what_is_nowhere_is_named(self, load: Any, tmp_path: Path) -> None:
        with pytest.raises(ModuleNotFoundError) as error:
            load("absent_library", [str(tmp_path)])
        assert error.value.name == "absent_library"

    def test_what_was_built_for_another_python_does_not_fit(
        self, load: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "other_library.cpython-27-x86_64-linux-gnu.so").write_bytes(b"")
        (tmp_path / "other_library.py").write_text("raise AssertionError('never run')")
        with pytest.raises(ModuleNotFoundError):
            load("other_library", [str(tmp_path)])

    def test_what_cannot_be_loaded_is_as_if_it_were_not_there(
        self, load: Any, tmp_path: Path
    ) -> None:
        suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
        (tmp_path / f"broken_library{suffix}").write_bytes(b"no library")
        with pytest.raises(ModuleNotFoundError) as error:
            load("broken_library", [str(tmp_path)])
        assert error.value.name == "broken_library"
        assert "broken_library" not in sys.modules

    def test_no_folder_gets_on_the_path(self, load: Any) -> None:
        assert load("rbd").RBD
        assert load("rados").Rados
        assert not [folder for folder in sys.path if re.search("dist-packages", folder)]
