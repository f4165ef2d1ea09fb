"""Images for tests of rows, and many threads that want the same thing at once."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

from calotype.db.images import now
from calotype.model.image import Image, Status, Visibility

#: Text that has to come back as it was given. U+FFFF and below: the tables keep three bytes.
NASTY = [
    *("", " ", "'", '"', "\\", "\\\\", "\\'", '\\"', "`", "%", "%s", ":name", "{}", "null", "[]"),
    *('"]', '{"a": [1]}', "\n", "\r\n", "\t", "\x01\x1f\x7f", "\\u0041", "\\n", "/", "</script>"),
    *(
        "ä",
        "a\u0308",
        "漢字",
        "\u2028\u2029",
        "\ud7ff\ue000\ufffd\uffff",
        "\u200f",
        " a ",
        "é\0"[:1],
    ),
    "; DROP TABLE images; --",
]


def new_image(**fields: Any) -> Image:
    """An image that is not yet saved."""
    moment = now()
    given: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "status": Status.QUEUED,
        "visibility": Visibility.SHARED,
        "created_at": moment,
        "updated_at": moment,
        "owner": "ours",
    }
    return Image(**{**given, **fields})


def at_once(*jobs: Callable[[], object]) -> list[object]:
    """What each job returned or raised, all having begun at the same moment."""
    start = threading.Barrier(len(jobs))
    results: list[object] = [None] * len(jobs)

    def run(number: int, job: Callable[[], object]) -> None:
        start.wait()
        try:
            results[number] = job()
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
