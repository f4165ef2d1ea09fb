"""The application for WSGI servers: `gunicorn calotype.wsgi:application`, uWSGI, mod_wsgi.

The settings come from where Glance's do: OS_GLANCE_CONFIG_DIR, else /etc/glance.
"""

from calotype.app import build
from calotype.parts import assemble, prepare
from calotype.settings.load import load

parts = assemble(load())
prepare(parts)
if parts.cache is not None and parts.cache.nodes is not None:
    parts.cache.nodes.keep_renewing()
application = build(parts)
