"""The client of Calotype."""

__version__ = "0.1.0"
