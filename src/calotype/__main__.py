"""The `calotype` command: the service's own, and the client's where that is installed.

The client installs a script of the same name, which does the same (`calotype_client.cli.dispatch`).
"""

import sys
from importlib import import_module
from importlib.util import find_spec


def main() -> int:
    """Run one command; the exit code."""
    words = sys.argv[1:]
    if find_spec("calotype_client") is not None:
        client = import_module("calotype_client.cli.dispatch")
        if client.takes(words):
            return int(client.run(words))
    # Not loaded for a command of the client, as it takes half a second.
    from calotype.admin.main import main as own

    # The client's commands can be asked about so, and ours are in the same list.
    return own([*words[1:], "--help"] if words[:1] == ["help"] else words)


if __name__ == "__main__":
    sys.exit(main())
