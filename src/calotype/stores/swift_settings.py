"""The settings of a Swift store, from the options of Glance's and the file with its accounts."""

import configparser
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from calotype.errors import BadSettings

MIB = 1 << 20


@dataclass(frozen=True)
class Account:
    """Who logs in, and where. `version`: 3 for Keystone, 1 for Swift's own login and radosgw's.

    With Keystone either a user with a project, or an application credential.
    """

    auth_url: str
    user: str = ""
    key: str = field(default="", repr=False)
    project: str | None = None
    project_id: str | None = None
    user_domain: Mapping[str, str] = field(default_factory=lambda: {"user_domain_id": "default"})
    project_domain: Mapping[str, str] = field(
        default_factory=lambda: {"project_domain_id": "default"}
    )
    credential_id: str | None = field(default=None, repr=False)
    credential_secret: str | None = field(default=None, repr=False)
    version: str = "3"

    @classmethod
    def of(cls, words: Mapping[str, str | None], name: str) -> Self:
        """From a section of the file with the accounts, or from options that say the same.

        `name`: what to blame. Raises BadSettings.
        """
        given = {key: value for key, value in words.items() if value}
        needed = {"auth_address"}
        if "application_credential_id" in given:
            needed.add("application_credential_secret")
        else:
            needed |= {"user", "key"}
        missing = sorted(needed - given.keys())
        if missing:
            raise BadSettings(f"{name}: {', '.join(missing)} must be set")
        version = given.get("auth_version", "3")
        if version not in ("1", "3"):
            raise BadSettings(f"{name}: auth_version must be 3, or 1 for a login of Swift's own")
        project, colon, user = given.get("user", "").partition(":")
        if not colon:
            project, user = "", project
        return cls(
            auth_url=given["auth_address"],
            user=user,
            key=given.get("key", ""),
            project=given.get("project_name") or project or None,
            project_id=given.get("project_id"),
            user_domain=_domain(given, "user"),
            project_domain=_domain(given, "project"),
            credential_id=given.get("application_credential_id"),
            credential_secret=given.get("application_credential_secret"),
            version=version,
        )


@dataclass(frozen=True)
class SwiftSettings:
    """What a Swift store needs to know. Sizes in bytes.

    `accounts`: by the name with which urls refer to them. `seed`: how many characters of an image's
    id become part of the name of its container. `readers`: projects that may read what lies in the
    accounts of others. `renewal`: seconds before its end at which a token is replaced.
    """

    accounts: Mapping[str, Account]
    reference: str = "ref1"
    container: str = "glance"
    large_object: int = 5120 * MIB
    segment: int = 200 * MIB
    create_container: bool = False
    seed: int = 0
    multi_tenant: bool = False
    readers: tuple[str, ...] = ()
    insecure: bool = False
    ca_file: str | None = None
    region: str | None = None
    endpoint: str | None = None
    interface: str = "public"
    service_type: str = "object-store"
    attempts: int = 0
    renewal: int = 60

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """From the values of a store's section, by option name; what is missing has its default.

        Raises BadSettings, naming the option.
        """
        reference = options.get("default_swift_reference") or "ref1"
        accounts = _accounts(options, reference)
        if reference not in accounts:
            raise BadSettings(
                f"default_swift_reference: there is no section [{reference}] in "
                f"{options['swift_store_config_file']}"
            )
        seed, multi_tenant = (
            options.get("swift_store_multiple_containers_seed") or 0,
            bool(options.get("swift_store_multi_tenant")),
        )
        if seed and multi_tenant:
            raise BadSettings(
                "swift_store_multiple_containers_seed: has no place beside "
                "swift_store_multi_tenant, where each image has a container of its own"
            )
        given: dict[str, Any] = {
            "container": options.get("swift_store_container"),
            "large_object": _mib(options.get("swift_store_large_object_size")),
            "segment": _mib(options.get("swift_store_large_object_chunk_size")),
            "create_container": options.get("swift_store_create_container_on_put"),
            "readers": tuple(options.get("swift_store_admin_tenants") or ()),
            "insecure": options.get("swift_store_auth_insecure"),
            "ca_file": options.get("swift_store_cacert"),
            "region": options.get("swift_store_region"),
            "endpoint": options.get("swift_store_endpoint"),
            "interface": (options.get("swift_store_endpoint_type") or "").removesuffix("URL"),
            "service_type": options.get("swift_store_service_type"),
            "attempts": options.get("swift_store_retry_get_count"),
            "renewal": options.get("swift_store_expire_soon_interval"),
        }
        return cls(
            accounts=accounts,
            reference=reference,
            seed=seed,
            multi_tenant=multi_tenant,
            **{name: value for name, value in given.items() if value not in (None, "")},
        )


def _accounts(options: Mapping[str, Any], reference: str) -> dict[str, Account]:
    """Those of the file, or the one that the options describe."""
    path = options.get("swift_store_config_file")
    if not path:
        words = {
            "auth_address": options.get("swift_store_auth_address"),
            "auth_version": options.get("swift_store_auth_version"),
            "user": options.get("swift_store_user"),
            "key": options.get("swift_store_key"),
            "project_name": options.get("swift_store_project_name"),
            "project_id": options.get("swift_store_project_id"),
            "application_credential_id": options.get("swift_store_application_credential_id"),
            "application_credential_secret": options.get(
                "swift_store_application_credential_secret"
            ),
        }
        return {reference: Account.of(words, "swift_store_config_file is not set, and so")}
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with open(path) as file:
            parser.read_file(file)
    except (OSError, configparser.Error) as error:
        # The text of an error of the parser may hold a line of the file, with a key in it.
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise BadSettings(f"swift_store_config_file: {path}: {reason}") from None
    return {
        name: Account.of(
            {key: _plain(value) for key, value in parser.items(name)}, f"{path} [{name}]"
        )
        for name in parser.sections()
    }


def _plain(value: str) -> str:
    return value.strip().strip("\"'")


def _domain(given: Mapping[str, str], whose: str) -> Mapping[str, str]:
    for kind in ("id", "name"):
        found = given.get(f"{whose}_domain_{kind}")
        if found:
            return {f"{whose}_domain_{kind}": found}
    return {f"{whose}_domain_id": "default"}


def _mib(number: int | None) -> int | None:
    return None if number is None else number * MIB
