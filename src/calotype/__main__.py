"""The `calotype` command: the service's own, and the client's where that is installed.

The client installs a script of the same name, which does the same (`calotype_client.cli.dispatch`).
"""

import sys
from importlib import import_module
from importlib.util import find_spec


def main() -> int:
    """Run one command; the exit code."""
    if find_spec("calotype_client") is not None:
        client = import_module("calotype_client.cli.dispatch")
        if client.takes(sys.argv[1:]):
            return int(client.run(sys.argv[1:]))
    # Not loaded for a command of the client, as it takes half a second.
    from calotype.admin.main import main as own

    return own()


if __name__ == "__main__":
    sys.exit(main())
