"""The image service of the cloud that `openstack` was told to use, as our library reaches it."""

from typing import Any

from calotype_client.client import Client, of_session


def client_of(app: Any) -> Client:
    """The client for a command of `openstack`; `app` is its shell."""
    found = app.client_manager.image
    return of_session(
        found.session,
        interface=found.interface,
        region_name=found.region_name,
        endpoint_override=found.endpoint_override,
    )
