"""Where an object lies: the urls of Swift stores.

    swift+config://reference/container/key                  an account of the settings
    swift+https://project%3Auser:key@auth-host/v3/container/key    as Glance once wrote it
    swift+https://storage-host/v1/AUTH_project/container/key       in the account of an owner

`swift://` means https, `swift+http://` http.
"""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote, unquote

from calotype import errors
from calotype.stores.swift_settings import Account

CONFIG = "swift+config"
SCHEMES = ("swift", "swift+https", "swift+http", CONFIG)
_OF_WEB = {"swift": "https", "swift+https": "https", "swift+http": "http"}


@dataclass(frozen=True)
class Address:
    """An object. Of `reference`, `account` and `storage` one says in which account it is.

    `reference`: the name of an account of the settings. `account`: a login that was written into
    the url. `storage`: the address of the account itself.
    """

    container: str
    key: str
    reference: str | None = None
    account: Account | None = field(default=None, repr=False)
    storage: str | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """From the url of a location. Raises StoreUnavailable when it is none of a Swift store."""
        scheme, _, rest = url.partition("://")
        # A key may hold slashes, so the login ends at the last @.
        login, _, rest = rest.rpartition("@")
        parts = rest.strip("/").split("/")
        if scheme not in SCHEMES or len(parts) < 3 or not all(parts):
            raise errors.StoreUnavailable("This is no location of a Swift store")
        *where, container, key = parts
        container, key = unquote(container), unquote(key)
        if scheme == CONFIG:
            return cls(container, key, reference="/".join(where))
        base = f"{_OF_WEB[scheme]}://{'/'.join(where)}"
        if not login:
            return cls(container, key, storage=base)
        return cls(container, key, account=_account(login, base))

    def url(self) -> str:
        """The address as a url, as the store writes it."""
        name = f"{quote(self.container, safe='')}/{quote(self.key, safe='')}"
        if self.reference is not None:
            return f"{CONFIG}://{self.reference}/{name}"
        assert self.storage is not None, "a login is never written into a url"
        scheme, _, rest = self.storage.partition("://")
        return f"swift+{scheme}://{rest}/{name}"


def _account(login: str, auth_url: str) -> Account:
    user, _, key = login.partition(":")
    project, colon, name = unquote(user).partition(":")
    if not colon:
        project, name = "", project
    version = "1" if auth_url.rstrip("/").endswith(("/v1", "/v1.0")) else "3"
    return Account(auth_url, name, unquote(key), project=project or None, version=version)
