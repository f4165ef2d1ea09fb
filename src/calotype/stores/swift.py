"""Images as objects of Swift: `<container>/<image id>`, as Glance keeps them.

Data that is large, or whose size is not known, lies in segments, `<image id>-00001` and so on, in
the same container, and is put together by an object without data that names them: a dynamic large
object. No object is ever replaced: each is written with `If-None-Match: *`.
"""

import datetime
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from calotype import errors
from calotype.model.location import Location
from calotype.stores.store import UNFINISHED, Source, Store, Traits
from calotype.stores.swift_address import SCHEMES, Address
from calotype.stores.swift_login import HASTY, Login
from calotype.stores.swift_objects import MANIFEST, Objects
from calotype.stores.swift_settings import Account, SwiftSettings
from calotype.stores.swift_writing import Writing

__all__ = ["SwiftSettings", "SwiftStore"]

LOG = logging.getLogger(__name__)

_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
#: An image, or a segment of one.
_OURS = re.compile(rf"(?P<key>{_ID})(-(?P<segment>[0-9]{{5,}}))?", re.IGNORECASE)
#: Requests at a time, of many that belong together.
_AT_ONCE = 8


class SwiftStore:
    """A store in a container of one account; or, as a multi-tenant one, in those of the owners."""

    def __init__(self, settings: SwiftSettings, owner: str | None = None) -> None:
        """`owner`: the project in whose account new data lies, of a multi-tenant store."""
        self._settings = settings
        self._owner = owner
        self._logins = {
            name: Login(settings, account) for name, account in settings.accounts.items()
        }
        self.traits = Traits(
            type="swift",
            schemes=SCHEMES,
            properties={
                "container": settings.container,
                "large_object_size": settings.large_object,
                "large_object_chunk_size": settings.segment,
                "multi_tenant": settings.multi_tenant,
            },
        )

    # -- the five methods of a store ------------------------------------------------------------

    def put(self, key: str, source: Source, size: int | None) -> Location:
        settings, objects = self._settings, self._objects()
        container = self._container(key)
        made = self._need_container(objects, container)
        if not made:
            self._need_free(key)
        location = self._location(objects, key)
        with Writing(objects, container, key, container_is_ours=made) as writing:
            first = source.read(min(1 << 20, settings.segment))
            if not first or (size is not None and size <= settings.large_object):
                writing.whole(source, first, size)
            else:
                writing.segments(source, first, settings.segment)
            writing.keep()
        return location

    def read(
        self, location: Location, offset: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        objects, address = self._find(location)
        attempts = self._settings.attempts or 3
        return objects.read(address.container, address.key, offset, length, attempts)

    def size(self, location: Location) -> int:
        objects, address = self._find(location)
        try:
            return int(objects.head(address.container, address.key)["content-length"])
        except errors.DataNotFound:
            segments = objects.listed(address.container, f"{address.key}-")
            if location.status != UNFINISHED or not segments:
                raise
            return sum(item["bytes"] for item in segments)

    def delete(self, location: Location) -> None:
        objects, address = self._find(location)
        container, key = address.container, address.key
        try:
            manifest = objects.head(container, key).get(MANIFEST, "")
        except errors.DataNotFound:
            # A delete that was cut off, or an upload, may have left segments.
            if not self._remove_segments(objects, f"{container}/{key}-"):
                raise
        else:
            self._remove_segments(objects, manifest)
            objects.delete(container, key)
        if container == f"{self._settings.container}_{key}":
            objects.remove_container(container)

    def check(self) -> None:
        settings = self._settings
        login = Login(settings, settings.accounts[settings.reference], patience=HASTY)
        objects = Objects(login)
        if settings.multi_tenant or settings.seed:
            objects.containers(settings.container)
        elif not objects.has_container(settings.container) and not settings.create_container:
            raise errors.StoreUnavailable(_no_container(settings.container))

    # -- its powers ------------------------------------------------------------------------------

    def find(self, key: str) -> Location | None:
        objects, container = self._objects(), self._container(key)
        try:
            objects.head(container, key)
            return self._location(objects, key)
        except errors.DataNotFound:
            pass
        with suppress(errors.DataNotFound):
            if objects.listed(container, f"{key}-"):
                return Location(self._location(objects, key).url, status=UNFINISHED)
        return None

    def recognizes(self, url: str) -> bool:
        try:
            address = Address.parse(url)
            if address.reference is not None:
                return address.reference in self._logins and self._is_mine(address.container)
            if address.account is not None:
                return address.account in self._settings.accounts.values()
            assert address.storage is not None
            return _server(address.storage) == _server(self._login().storage()[0])
        except errors.StoreError:
            return False

    def leftovers(self, older_than: float) -> Iterator[Location]:
        if self._settings.multi_tenant:
            return  # in accounts that only their owners can name
        objects = self._objects()
        for container in filter(self._is_mine, objects.containers(self._settings.container)):
            newest: dict[str, float] = {}
            complete = set()
            for item in objects.listed(container):
                ours = _OURS.fullmatch(item["name"])
                if ours is not None:
                    key = ours["key"]
                    newest[key] = max(newest.get(key, 0), _epoch(item["last_modified"]))
                    if ours["segment"] is None:
                        complete.add(key)
            for key, moment in newest.items():
                if moment < older_than:
                    url = Address(container, key, reference=self._settings.reference).url()
                    yield Location(url) if key in complete else Location(url, status=UNFINISHED)

    def copy_within(
        self, key: str, holder: Store, location: Location, tell: Callable[[int], None]
    ) -> Location:
        if not isinstance(holder, SwiftStore) or self._account() not in holder._all_accounts():
            raise errors.Unsupported("The data is in another account")
        there, address = holder._find(location)
        if there.storage() != self._objects().storage():
            raise errors.Unsupported("The data is in another account")
        objects, container = self._objects(), self._container(key)
        manifest = there.head(address.container, address.key).get(MANIFEST, "")
        made = self._need_container(objects, container)
        if not made:
            self._need_free(key)
        with Writing(objects, container, key, container_is_ours=made) as writing:
            if manifest:
                source, _, prefix = manifest.partition("/")
                writing.copies(source, there.listed(source, prefix), tell)
            else:
                writing.copy(address.container, address.key)
            writing.keep()
        return self._location(objects, key)

    def of(self, owner: str | None) -> "SwiftStore":
        """This store with the account of that owner for new data."""
        if not self._settings.multi_tenant:
            return self
        owned = SwiftStore(self._settings, owner)
        owned._logins = self._logins  # so that an upload does not log in anew
        return owned

    # -- how -------------------------------------------------------------------------------------

    def _account(self) -> Account:
        return self._settings.accounts[self._settings.reference]

    def _all_accounts(self) -> Sequence[Account]:
        return tuple(self._settings.accounts.values())

    def _login(self) -> Login:
        return self._logins[self._settings.reference]

    def _objects(self) -> Objects:
        """Where new data goes."""
        login = self._login()
        if self._owner is None:
            return Objects(login)
        server, _, account = login.storage()[0].rpartition("/")
        return Objects(login, f"{server}/{account.rpartition('_')[0]}_{self._owner}")

    def _container(self, key: str) -> str:
        settings = self._settings
        if settings.multi_tenant:
            return f"{settings.container}_{key}"
        return (
            f"{settings.container}_{key[: settings.seed]}" if settings.seed else settings.container
        )

    def _is_mine(self, container: str) -> bool:
        settings = self._settings
        if settings.seed or settings.multi_tenant:
            return container.startswith(f"{settings.container}_")
        return container == settings.container

    def _location(self, objects: Objects, key: str) -> Location:
        container = self._container(key)
        if self._settings.multi_tenant:
            return Location(Address(container, key, storage=objects.storage()).url())
        return Location(Address(container, key, reference=self._settings.reference).url())

    def _find(self, location: Location) -> tuple[Objects, Address]:
        """The account that a location is in. Raises StoreUnavailable for one nobody knows."""
        address = Address.parse(location.url)
        if address.reference is not None:
            login = self._logins.get(address.reference)
            if login is None:
                raise errors.StoreUnavailable(
                    f"There is no account {address.reference!r} in swift_store_config_file"
                )
            return Objects(login), address
        if address.account is not None:
            known = {_server(account.auth_url) for account in self._all_accounts()}
            if _server(address.account.auth_url) not in known:
                raise errors.StoreUnavailable(
                    "The url names a login at another place than swift_store_config_file does"
                )
            return Objects(Login(self._settings, address.account)), address
        assert address.storage is not None
        if _server(address.storage) != _server(self._login().storage()[0]):
            # A token of the store is never sent to whom a url names.
            raise errors.StoreUnavailable("The data lies in another Swift than its store")
        return Objects(self._login(), address.storage), address

    def _need_container(self, objects: Objects, container: str) -> bool:
        """Make sure of the container; whether it is a new one, for this image alone."""
        if objects.has_container(container):
            return False
        settings = self._settings
        if not settings.create_container and not settings.multi_tenant:
            raise errors.StoreUnavailable(_no_container(container))
        headers = {}
        if settings.multi_tenant and settings.readers:
            readers = ",".join(f"{project}:*" for project in settings.readers)
            headers = {"X-Container-Read": readers, "X-Container-Write": readers}
        objects.make_container(container, headers)
        return settings.multi_tenant

    def _need_free(self, key: str) -> None:
        found = self.find(key)
        if found is not None:
            raise errors.DataExists(url=found.url)

    def _remove_segments(self, objects: Objects, manifest: str) -> int:
        """Remove what a manifest names, `container/prefix`; how many there were."""
        container, _, prefix = manifest.partition("/")
        if not prefix:
            return 0
        with suppress(errors.DataNotFound):
            names = [item["name"] for item in objects.listed(container, prefix)]
            with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="swift") as threads:
                list(threads.map(lambda name: _remove(objects, container, name), names))
            return len(names)
        return 0


def _remove(objects: Objects, container: str, name: str) -> None:
    with suppress(errors.DataNotFound):
        objects.delete(container, name)


def _no_container(container: str) -> str:
    return f"There is no container {container}: make it, or set swift_store_create_container_on_put"


def _server(storage: str) -> str:
    """The scheme and host: by http a token would be told to all on the way."""
    scheme, _, rest = storage.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _epoch(text: str) -> float:
    """The time that a listing says, which is that of UTC."""
    moment = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
    return moment.timestamp()
