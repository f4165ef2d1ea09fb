"""The tests, a module for each feature."""
