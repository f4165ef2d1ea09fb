"""The client of Calotype, and of every service with the OpenStack Image API v2.

from calotype_client import connect

cloud = connect()
image = cloud.images.create(name="Debian", disk_format="qcow2", container_format="bare")
with open("debian.qcow2", "rb") as file:
    cloud.data.upload(image, file)
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from calotype_client.client import Client, connect, of_session

__all__ = ["Client", "__version__", "connect", "of_session"]


def __getattr__(name: str) -> Any:
    """Load the rest when it is wanted: a command that only dispatches needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from calotype_client import client

    return getattr(client, name)
