"""Tempest tests of what Calotype adds to the Image API v2; for any server that speaks it."""
