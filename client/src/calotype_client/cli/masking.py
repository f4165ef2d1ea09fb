"""What --debug and --log-file write has no secrets in it."""

import logging
import re

from calotype_client.cli.terminal import harmless

#: What keystoneauth does not hide, or only as a digest that a guess can be compared with.
SECRETS = (
    # User and password in addresses, as locations have them. Keys of S3 may have slashes.
    (re.compile(r"(\bs3[+a-z]*://)[^\s\"'\\]*@"), r"\1***@"),
    (re.compile(r"(://)[^/?#\s\"'\\]*@"), r"\1***@"),
    (re.compile(r"((?:proxy-)?authorization: )\{SHA256\}\w+", re.IGNORECASE), r"\1***"),
    (re.compile(r"(\bset-cookie: [^=;\s]+=)[^;\s]+", re.IGNORECASE), r"\1***"),
)


class Masked(logging.Formatter):
    """Another formatter's text, tracebacks as well, without secrets."""

    def __init__(self, plain: logging.Formatter) -> None:
        super().__init__()
        self._plain = plain

    def format(self, record: logging.LogRecord) -> str:
        """What may be shown."""
        return masked(harmless(self._plain.format(record)))


def masked(text: str) -> str:
    """A text with `***` in place of each secret."""
    for secret, shown in SECRETS:
        text = secret.sub(shown, text)
    return text
