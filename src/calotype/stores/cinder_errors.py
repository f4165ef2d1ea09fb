"""What Cinder and Keystone answer, or the way to them, as our errors: with what to do about it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cinderclient import exceptions as refused
from keystoneauth1 import exceptions as failed

from calotype import errors

LOG = logging.getLogger(__name__)

#: Attachments have modes since this version, which is that of the release Stein.
API_VERSION = "3.54"


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what Cinder, or the way to it, answers into our errors. `doing` completes "cannot …"."""
    try:
        yield
    except refused.ClientException as error:
        raise _refusal(error, doing) from error
    except (failed.ClientException, ValueError) as error:
        # A region that is not in the catalogue is a ValueError to keystoneauth, now and then.
        raise _failure(error, doing) from error
    except (refused.UnsupportedVersion, refused.VersionNotFoundForAPIMethod) as error:
        raise errors.StoreUnavailable(
            f"Cinder is too old: the store needs version {API_VERSION} of its API (Stein)"
        ) from error


def _refusal(error: Any, doing: str) -> errors.StoreError:
    code, text = int(error.code or 0), str(error.message or "").strip()
    LOG.debug("Cinder answers %d, cannot %s: %s", code, doing, text)
    if code == 404:
        return errors.DataNotFound()
    if code == 413:
        return errors.StoreFull(f"Cinder's quota does not allow this: {text}")
    if code in (401, 403):
        return errors.StoreUnavailable(
            f"Cinder does not let this store {doing}: see the roles of cinder_store_user_name in "
            "cinder_store_project_name"
        )
    if code == 406:
        return errors.StoreUnavailable(
            f"Cinder is too old: the store needs version {API_VERSION} of its API (Stein)"
        )
    if code >= 500:
        return errors.StoreUnavailable(f"Cinder cannot {doing} at present (status {code})")
    return Refused(f"Cinder refuses to {doing}: {text}")


def _failure(error: Exception, doing: str) -> errors.StoreError:
    LOG.warning("Cinder: cannot %s: %s", doing, error)
    if isinstance(error, failed.Unauthorized | failed.Forbidden):
        return errors.StoreUnavailable(
            "Keystone refuses the login of the Cinder store: see cinder_store_user_name, "
            "cinder_store_password, cinder_store_project_name and their domains, or "
            "cinder_store_application_credential_id and its secret"
        )
    if isinstance(error, failed.EndpointNotFound | ValueError):
        return errors.StoreUnavailable(
            "The catalogue has no Cinder as cinder_catalog_info and cinder_os_region_name say; "
            "cinder_endpoint_template can take its place"
        )
    if isinstance(error, failed.SSLError):
        return errors.StoreUnavailable(
            "The certificate of Cinder or Keystone is not trusted: see cinder_ca_certificates_file"
        )
    return errors.StoreUnavailable(
        "Cinder or Keystone cannot be reached: see cinder_store_auth_address, and whether they run"
    )


class Refused(errors.StoreError):
    """Cinder refuses this in the present state of things."""
