"""os-brick in a process whose threads others wait for."""

import subprocess
import sys
from pathlib import Path

from tests.service import environment

SCRIPT = """
import sys
import threading
from calotype.stores import cinder_device
from calotype.stores.cinder_settings import CinderSettings

login = {
    f"cinder_store_{name}": "http://127.0.0.1:9/v3"
    for name in ("auth_address", "user_name", "password", "project_name")
}
settings = CinderSettings.from_options({"cinder_mount_point_base": sys.argv[1], **login})
first = threading.Thread(target=cinder_device._brick, args=(settings,), daemon=True)
first.start()
first.join(60)
print("joined" if not first.is_alive() and "os_brick" in sys.modules else "stuck")
"""


def test_a_thread_that_was_the_first_to_attach_can_be_joined(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "joined\n", done.stderr
