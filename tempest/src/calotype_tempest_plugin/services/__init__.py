"""Service clients in the way of Tempest's own."""

from calotype_tempest_plugin.services.features_client import FeaturesClient

__all__ = ["FeaturesClient"]
