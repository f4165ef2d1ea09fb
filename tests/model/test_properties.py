"""The names of the fields of an image."""

import dataclasses

import pytest

from calotype.model.image import Image
from calotype.model.properties import HIDDEN, OURS, READ_ONLY, RESERVED, WRITABLE, refuse_reason


def test_each_field_is_either_for_callers_or_for_the_service() -> None:
    assert not WRITABLE & READ_ONLY
    assert not (WRITABLE | READ_ONLY) & RESERVED
    fields = {field.name for field in dataclasses.fields(Image)} - {"properties", "locations"}
    assert fields <= WRITABLE | READ_ONLY
    assert all(name.startswith(OURS) for name in HIDDEN)


@pytest.mark.parametrize("name", sorted(WRITABLE))
def test_fields_for_callers(name: str) -> None:
    assert refuse_reason(name) is None


@pytest.mark.parametrize("name", sorted(READ_ONLY))
def test_fields_for_the_service(name: str) -> None:
    assert str(refuse_reason(name)).startswith(f"'{name}' is read-only")


@pytest.mark.parametrize("name", [*sorted(RESERVED | HIDDEN), "os_glance", "os_glance_x"])
def test_names_nobody_may_use(name: str) -> None:
    assert str(refuse_reason(name)).startswith(f"'{name}' is reserved")


@pytest.mark.parametrize(
    "name",
    ["", " ", "os_distro", "Size", "ID", "OS_GLANCE_x", "my_os_glance", "member", "locations_"],
)
def test_names_of_properties(name: str) -> None:
    assert refuse_reason(name) is None
