"""The settings: read once by `load.load`, checked, and handed on as the frozen values of `tree`."""
