"""Tests of the data path: real bytes over real HTTP into real server processes."""
