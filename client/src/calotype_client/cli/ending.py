"""How the program ends when it is cut short: by a signal, or when nobody reads what it shows."""

import signal
import sys
from collections.abc import Callable

INTERRUPTED = 128 + signal.SIGINT
NOT_READ = 128 + signal.SIGPIPE


def orderly(run: Callable[[], int]) -> int:
    """What `run` returns. A signal lets it put away what it has begun, as an error would."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # not what `nohup` has set
            signal.signal(number, _end)
    code = 0
    try:
        try:
            code = run()
        finally:
            if sys.stdout is not None:  # closed, as by `>&-`
                sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return NOT_READ
    except OSError as error:
        if not code:
            print(f"ERROR: stdout cannot be written: {error.strerror}", file=sys.stderr)
        return code or 1
    return code


def _end(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
