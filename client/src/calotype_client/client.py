"""`connect`, and the client it gives: one attribute for each thing that the service has."""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from keystoneauth1.adapter import Adapter
from keystoneauth1.exceptions import ClientException

from calotype_client import __version__
from calotype_client.cache import Cache
from calotype_client.calls import Calls
from calotype_client.data import Data
from calotype_client.identity import check, no_cloud, unreadable, with_tls
from calotype_client.images import Images
from calotype_client.imports import Imports
from calotype_client.locations import Locations
from calotype_client.members import Members
from calotype_client.stores import Stores
from calotype_client.tasks import Tasks

USER_AGENT = f"calotype-client/{__version__}"


@dataclass(frozen=True)
class Client:
    """An image service, as one caller sees it. Nothing is asked before the first call."""

    calls: Calls

    @cached_property
    def images(self) -> Images:
        """List, show, create, change, delete."""
        return Images(self.calls)

    @cached_property
    def data(self) -> Data:
        """Upload, stage, download."""
        return Data(self.calls)

    @cached_property
    def tasks(self) -> Tasks:
        """Watch what goes on in the background; have digests calculated."""
        return Tasks(self.calls)

    @cached_property
    def imports(self) -> Imports:
        """Have data fetched or copied."""
        return Imports(self.calls, self.tasks)

    @cached_property
    def members(self) -> Members:
        """Share images."""
        return Members(self.calls)

    @cached_property
    def locations(self) -> Locations:
        """Ask and say where data lies."""
        return Locations(self.calls)

    @cached_property
    def stores(self) -> Stores:
        """The places where the service keeps data."""
        return Stores(self.calls)

    @cached_property
    def cache(self) -> Cache:
        """The image cache of a node."""
        return Cache(self.calls)


def connect(cloud: str | None = None, **options: Any) -> Client:
    """A client for a cloud of `clouds.yaml`, or the one that `OS_*` describe. Raises NoCloud.

    Options are those of openstacksdk: `auth_type`, `auth`, `region_name`, `interface`,
    `image_endpoint_override`, `verify`… For example, without any identity:
    `connect(auth_type="none", auth={"endpoint": "http://127.0.0.1:9292"})`.
    """
    from openstack.config import OpenStackConfig
    from openstack.exceptions import ConfigException

    with unreadable() as skipped:
        try:
            return of_region(OpenStackConfig().get_one(cloud=cloud, **options))
        except (ConfigException, ClientException) as error:
            raise no_cloud(error, cloud or os.environ.get("OS_CLOUD"), skipped) from error


def of_region(region: Any) -> Client:
    """A client for a `CloudRegion` of openstacksdk. Raises NoCloud."""
    check(region.config)
    return of_session(
        with_tls(region.get_session(), region.config),
        interface=region.get_interface("image"),
        region_name=region.get_region_name("image"),
        endpoint_override=region.get_endpoint("image"),
    )


def of_session(session: Any, **where: Any) -> Client:
    """A client that uses a session of keystoneauth. `where`: what its `Adapter` takes."""
    adapter = Adapter(
        session, service_type="image", client_name="calotype-client",
        client_version=__version__, **where,
    )  # fmt: skip
    adapter.user_agent = adapter.user_agent or USER_AGENT
    return Client(Calls(adapter))
