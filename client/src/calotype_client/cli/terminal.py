"""What the names and words of others may not do to a terminal: write commands to it."""

from typing import Any

from cliff.columns import FormattableColumn

#: Signs that turn the direction of writing: what is shown is not what is there.
TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_HIDDEN = {
    ord(sign): repr(sign)[1:-1]
    for sign in (*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), *TURNS)
    if sign not in "\n\t"
}


def harmless(text: str) -> str:
    """A text with its control characters spelt out: `\\x1b` in place of an escape."""
    return text.translate(_HIDDEN)


def cell(value: Any) -> Any:
    """What a table shows, harmless."""
    if isinstance(value, FormattableColumn):
        return harmless(str(value.human_readable()))
    return harmless(value) if isinstance(value, str) else value
