"""The login to Swift: a token, and the address of the account, kept until the token ends."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from keystoneauth1 import exceptions as keystone_errors
from keystoneauth1 import session
from keystoneauth1.identity import v3
from requests import RequestException
from swiftclient import client as swiftclient
from swiftclient.exceptions import ClientException

from calotype import errors
from calotype.stores.swift_settings import Account, SwiftSettings

LOG = logging.getLogger(__name__)

#: Seconds for an answer.
PATIENCE = 60
HASTY = 5

_FULL = (413, 507)
_GONE, _EXISTS, _WRONG_PART = 404, 412, 416
_REFUSED = (401, 403)

# The library writes requests down, tokens included, where this is asked of it.
swiftclient.logger_settings["redact_sensitive_headers"] = True
swiftclient.logger_settings["reveal_sensitive_prefix"] = 0
logging.getLogger("swiftclient").setLevel(logging.WARNING)


class Login:
    """An account, logged in when it is first needed in a process. `patience`: seconds."""

    def __init__(
        self, settings: SwiftSettings, account: Account, *, patience: int = PATIENCE
    ) -> None:
        self._settings = settings
        self._account = account
        self._patience = patience
        self._lock = threading.Lock()
        self._process = 0
        self._keystone: Any = None
        self._first: tuple[str, str] | None = None

    def storage(self) -> tuple[str, str]:
        """The address of the account, and a token that is good for a while."""
        with self._lock, translated("cannot log in"):
            if self._process != os.getpid():
                self._process, self._keystone, self._first = os.getpid(), None, None
            if self._account.version == "1":
                return self._by_swift()
            return self._by_keystone()

    def renew(self) -> None:
        """Forget the token: it was refused."""
        with self._lock:
            self._first = None
            if self._keystone is not None:
                self._keystone.invalidate()

    @contextmanager
    def connection(self, url: str) -> Iterator[Any]:
        """A connection to the server of an account, as the library takes it."""
        settings = self._settings
        parsed, connection = swiftclient.http_connection(
            url,
            cacert=settings.ca_file,
            insecure=settings.insecure,
            timeout=self._patience,
        )
        try:
            yield parsed, connection
        finally:
            connection.close()

    def _by_swift(self) -> tuple[str, str]:
        if self._first is None:
            account, settings = self._account, self._settings
            user = ":".join(filter(None, (account.project, account.user)))
            url, token = swiftclient.get_auth_1_0(
                account.auth_url,
                user,
                account.key,
                cacert=settings.ca_file,
                insecure=settings.insecure,
                timeout=self._patience,
                snet=False,
            )
            self._first = settings.endpoint or url, token
        return self._first

    def _by_keystone(self) -> tuple[str, str]:
        settings = self._settings
        if self._keystone is None:
            verify = False if settings.insecure else settings.ca_file or True
            self._keystone = session.Session(
                _plugin(self._account), verify=verify, timeout=self._patience
            )
        keystone = self._keystone
        if keystone.auth.get_access(keystone).will_expire_soon(settings.renewal):
            keystone.invalidate()
        token = keystone.get_token()
        url = settings.endpoint or keystone.get_endpoint(
            service_type=settings.service_type,
            interface=settings.interface,
            region_name=settings.region,
        )
        if not url:
            raise errors.StoreUnavailable(
                f"The catalogue has no {settings.interface} {settings.service_type} service: see "
                "swift_store_service_type, swift_store_endpoint_type, swift_store_region"
            )
        return str(url).rstrip("/"), str(token)


def _plugin(account: Account) -> Any:
    if account.credential_id:
        return v3.ApplicationCredential(
            auth_url=account.auth_url,
            application_credential_id=account.credential_id,
            application_credential_secret=account.credential_secret or "",
        )
    project: dict[str, Any] = (
        {"project_id": account.project_id}
        if account.project_id
        else {"project_name": account.project, **account.project_domain}
    )
    return v3.Password(
        auth_url=account.auth_url,
        username=account.user,
        password=account.key,
        **{**account.user_domain, **project},
    )


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise the errors of the libraries inside as ours. Neither tokens nor keys are in them."""
    try:
        yield
    except ClientException as error:
        raise _answered(doing, error) from error
    except keystone_errors.ClientException as error:
        LOG.warning("Swift: %s: %s", doing, type(error).__name__)
        raise errors.StoreUnavailable(
            f"The store is not usable now ({doing}: Keystone said {type(error).__name__}): see the "
            "account in swift_store_config_file"
        ) from error
    except (RequestException, OSError) as error:
        LOG.warning("Swift: %s: %s", doing, type(error).__name__)
        raise errors.StoreUnavailable(
            f"The store is not usable now ({doing}: {type(error).__name__})"
        ) from error


def _answered(doing: str, error: ClientException) -> errors.Error:
    status = error.http_status or 0
    if status == _GONE:
        return errors.DataNotFound()
    if status == _EXISTS:
        return errors.DataExists()
    if status in _FULL:
        return errors.StoreFull("The store has no room left for this data")
    LOG.warning("Swift: %s: status %s", doing, status)
    text = f"{doing}: status {status}"
    if status in _REFUSED:
        text += ": see the account in swift_store_config_file, and its roles"
    if status in _REFUSED or status == 0 or status >= 500 or status == 429:
        return errors.StoreUnavailable(f"The store is not usable now ({text})")
    return errors.StoreError(f"The store failed ({text})")
