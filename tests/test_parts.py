"""The assembly refuses what it could only get wrong."""

import pytest

from calotype import errors
from calotype.parts import assemble
from calotype.settings.load import load


@pytest.mark.parametrize("option", ["property_protection_file", "metadata_encryption_key"])
def test_an_option_that_protects_is_not_passed_over(option: str) -> None:
    overrides = {("DEFAULT", option): "x" * 16, ("database", "connection"): "sqlite://"}
    with pytest.raises(errors.BadSettings, match=option):
        assemble(load(overrides=overrides, use_defaults_only=True))


def test_a_database_must_be_named() -> None:
    with pytest.raises(errors.BadSettings, match=r"\[database\] connection"):
        assemble(load(use_defaults_only=True))
