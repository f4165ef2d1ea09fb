"""The sites of the API's tests, for counting what they cost."""

from tests.api.conftest import _sites, engine_name, make_site, site

__all__ = ["_sites", "engine_name", "make_site", "site"]
