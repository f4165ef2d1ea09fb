"""Tests of the API as HTTP."""

import warnings

with warnings.catch_warnings():
    # On Python before 3.13 WebOb, under the middleware of oslo and Keystone, loads a module of the
    # standard library that is deprecated: once, here, so that other warnings stay errors.
    warnings.filterwarnings("ignore", "'cgi' is deprecated", DeprecationWarning)
    import webob  # noqa: F401
