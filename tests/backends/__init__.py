"""Private real servers of the stores' backends."""
