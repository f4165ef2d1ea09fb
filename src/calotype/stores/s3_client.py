"""The connection to an S3 service: one client for each process, and what its errors mean."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import botocore.session
from botocore import exceptions
from botocore.config import Config

from calotype import errors
from calotype.stores.s3_address import Login
from calotype.stores.s3_settings import DEFAULT_REGION, S3Settings

LOG = logging.getLogger(__name__)
# What it tells of a request in detail holds keys and signatures, and `debug = true` asks for it.
logging.getLogger("botocore").setLevel(logging.WARNING)

#: Seconds for a connection, and for an answer. S3 may take its time to put parts together.
CONNECT, ANSWER = 10, 120
#: How often a request is sent, all in all.
ATTEMPTS = 4
#: The same where somebody waits for the service to start.
HASTY_CONNECT, HASTY_ANSWER, HASTY_ATTEMPTS = 3, 5, 1

#: Connections that are kept for the next request.
CONNECTIONS = 64

#: What a failed exchange may leave undecided: whether the server has done it.
UNDECIDED = (exceptions.HTTPClientError, exceptions.IncompleteReadError)

_FULL = {"QuotaExceeded", "ServiceQuotaExceededException", "EntityTooLarge", "InsufficientStorage"}
_MISSING = {"NoSuchKey", "NoSuchUpload", "404", "NotFound"}
_HINTS = {
    "NoSuchBucket": "there is no such bucket: see s3_store_bucket, s3_store_create_bucket_on_put",
    "InvalidAccessKeyId": "the key is not known there: see s3_store_access_key",
    "SignatureDoesNotMatch": "the secret is not that of the key: see s3_store_secret_key",
    "AccessDenied": "the key may not do this: see s3_store_access_key and the bucket's policy",
    "RequestTimeTooSkewed": "the clocks of the two machines differ too much: set them right",
    "AuthorizationHeaderMalformed": "the region is another one: see s3_store_region_name",
    "PermanentRedirect": "the bucket is in another region: see s3_store_region_name",
    "InvalidBucketName": "the name is not allowed: see s3_store_bucket",
    "403": "the key may not do this: see s3_store_access_key, s3_store_secret_key",
}

#: Why there was no answer.
_UNREACHED: dict[type[Exception], str] = {
    exceptions.SSLError: "its certificate is not trusted: see s3_store_cacert",
    exceptions.ProxyConnectionError: "the proxy that the environment names does not answer",
    exceptions.ConnectTimeoutError: "nothing answers there: see s3_store_host",
    exceptions.EndpointConnectionError: "nothing answers there: see s3_store_host",
    exceptions.ReadTimeoutError: "it does not answer in time",
}


class S3Client:
    """Makes the client of the library when it is first needed in a process, never before a fork."""

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._login = Login(settings.access_key, settings.secret_key)
        self._made: dict[tuple[int, Login], Any] = {}
        self._has_bucket = False

    def get(self, login: Login | None = None) -> Any:
        """The client of this process, which all its threads may use; by our keys or others."""
        wanted = (os.getpid(), login or self._login)
        with self._lock:
            if wanted not in self._made:
                self._made[wanted] = self._make(wanted[1], CONNECT, ANSWER, ATTEMPTS)
            return self._made[wanted]

    def need_bucket(self) -> None:
        """Make the bucket if it is missing and the settings say so."""
        if self._settings.create_bucket and not self._has_bucket:
            with translated("cannot make the bucket"):
                ensure_bucket(self.get(), self._settings)
            self._has_bucket = True

    @contextmanager
    def hasty(self) -> Iterator[Any]:
        """A client that gives up soon, for the length of the block."""
        client = self._make(self._login, HASTY_CONNECT, HASTY_ANSWER, HASTY_ATTEMPTS)
        try:
            yield client
        finally:
            client.close()

    def _make(self, login: Login, connect: int, answer: int, attempts: int) -> Any:
        settings = self._settings
        config = Config(
            connect_timeout=connect,
            read_timeout=answer,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=max(CONNECTIONS, settings.threads),
            # A proxy that the environment names is for what lies elsewhere.
            proxies={} if settings.is_here else None,
            request_checksum_calculation=settings.check_requests,
            response_checksum_validation=settings.check_responses,
            s3={
                "addressing_style": settings.addressing,
                # The digest of the data is signed, by https as well: the server compares it.
                "payload_signing_enabled": True,
            },
        )
        session = boto3.session.Session(botocore_session=_session())
        return session.client(
            "s3",
            endpoint_url=settings.endpoint,
            aws_access_key_id=login.access_key,
            aws_secret_access_key=login.secret_key,
            region_name=settings.region,
            verify=settings.ca_file or True,
            config=config,
        )


def _session() -> Any:
    """A session without the files that this user may have for the tools of Amazon."""
    nothing = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return botocore.session.Session(session_vars=nothing)


def ensure_bucket(client: Any, settings: S3Settings) -> None:
    """Return when the bucket is there, made where the settings say so; raises the library's."""
    try:
        client.head_bucket(Bucket=settings.bucket)
    except exceptions.ClientError as error:
        if code(error) not in _MISSING or not settings.create_bucket:
            raise
        where: dict[str, Any] = {}
        if settings.region != DEFAULT_REGION:
            where = {"CreateBucketConfiguration": {"LocationConstraint": settings.region}}
        client.create_bucket(Bucket=settings.bucket, **where)


def code(error: exceptions.ClientError) -> str:
    """What the server calls the error."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise the library's errors inside as ours. Requests and keys are in none of the messages."""
    try:
        yield
    except exceptions.ClientError as error:
        raise _answered(doing, error) from error
    except exceptions.BotoCoreError as error:
        why = next((text for kind, text in _UNREACHED.items() if isinstance(error, kind)), None)
        text = f"{doing}: {why or type(error).__name__}"
        LOG.warning("S3: %s", text)
        raise errors.StoreUnavailable(f"The store is not usable now ({text})") from error


def _answered(doing: str, error: exceptions.ClientError) -> errors.Error:
    name = code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if name in _MISSING:
        return errors.DataNotFound()
    if name == "PreconditionFailed":
        return errors.DataExists()
    if name in _FULL or status == 507:
        return errors.StoreFull(f"The store has no room left for this data ({name})")
    text = f"{doing}: {_HINTS.get(name) or name or status}"
    LOG.warning("S3: %s", text)
    if name in _HINTS or status in (401, 403, 429) or status >= 500:
        return errors.StoreUnavailable(f"The store is not usable now ({text})")
    return errors.StoreError(f"The store failed ({text})")
