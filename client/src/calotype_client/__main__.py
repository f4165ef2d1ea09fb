"""`python -m calotype_client` is the client's `calotype`, whatever else is installed."""

import sys

from calotype_client.cli.dispatch import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
