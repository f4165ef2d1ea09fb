"""`make docs`: the pages of docs/ that are made from the code. A test holds them against it."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from calotype.admin import config
from calotype.api.operation import Operation
from calotype.api.operations import OPERATIONS
from calotype.model.image import MAY_FOLLOW, Status
from tools import client_docs, recorded_docs, store_docs

DOCS = Path(__file__).parents[1] / "docs"


def statuses() -> str:
    """The statuses of an image and which may follow which."""
    lines = [
        "# The statuses of an image",
        "",
        "Made by `make docs` from `model/image.py`. `x`: the status on top may follow the one on",
        "the left.",
        "",
        "| from \\ to | " + " | ".join(Status) + " |",
        "|---|" + "---|" * len(Status),
    ]
    for status in Status:
        marks = ("x" if other in MAY_FOLLOW[status] else "" for other in Status)
        lines.append(f"| **{status}** | " + " | ".join(marks) + " |")
    return "\n".join(lines) + "\n"


def reference() -> str:
    """Every call of the API, with what it takes and answers."""
    lines = [
        "# Every call",
        "",
        "Made by `make docs` from `api/operations.py`; the service publishes the same, with the",
        "schemas of all bodies, at `/v2/openapi.json`. Errors are JSON: message, code, title.",
        "",
    ]
    for (method, path), operation in OPERATIONS.items():
        lines += _call(method, path, operation)
    return "\n".join(lines)


def _call(method: str, path: str, operation: Operation) -> list[str]:
    lines = [f"## {method} {path}", "", operation.summary, ""]
    named = [one for one in operation.parameters if one.where != "path"]
    if named:
        lines += ["| parameter | in | meaning |", "|---|---|---|"]
        lines += [f"| `{one.name}` | {one.where} | {one.description} |" for one in named]
        lines.append("")
    lines += [f"- {status}: {one.description}" for status, one in operation.answers.items()]
    if operation.refusals:
        lines.append(f"- refused with {', '.join(str(status) for status in operation.refusals)}")
    return [*lines, ""]


#: Page -> what makes it.
PAGES: Mapping[str, Callable[[], str]] = {
    "operate/settings.md": config.reference,
    "operate/stores/README.md": store_docs.stores,
    "api/reference.md": reference,
    "api/statuses.md": statuses,
    **client_docs.PAGES,
    **recorded_docs.PAGES,
}


def main() -> int:
    """Write all pages."""
    for name, make in PAGES.items():
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / name).write_text(make())
        print(f"docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
