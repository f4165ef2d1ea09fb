"""The settings of a Cinder store, from the options of Glance's."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from calotype.errors import BadSettings

DEFAULT_CATALOG_INFO = "volumev3::publicURL"
DEFAULT_MOUNT_POINT_BASE = "/var/lib/glance/mnt"
DEFAULT_ROOTWRAP = "/etc/glance/rootwrap.conf"


@dataclass(frozen=True)
class Login:
    """Who the store is to Keystone: a user with a project, or an application credential."""

    address: str
    user_name: str | None = None
    user_domain_name: str = "Default"
    password: str | None = field(default=None, repr=False)
    project_name: str | None = None
    project_domain_name: str = "Default"
    application_credential_id: str | None = None
    application_credential_secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.address:
            raise BadSettings("cinder_store_auth_address: must be the address of Keystone")
        if self.application_credential_id or self.application_credential_secret:
            need = ["application_credential_id", "application_credential_secret"]
        else:
            need = ["user_name", "password", "project_name"]
        missing = [f"cinder_store_{name}" for name in need if not getattr(self, name)]
        if missing:
            raise BadSettings(
                f"{', '.join(missing)}: must be set. The store logs in by itself, with a user and "
                "a project or with an application credential, never as the one who uploads"
            )

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """From the options cinder_store_…. Raises BadSettings, naming what is missing."""

        def text(name: str, default: str | None = None) -> Any:
            return options.get(f"cinder_store_{name}") or default

        return cls(
            address=text("auth_address", ""),
            user_name=text("user_name"),
            user_domain_name=text("user_domain_name", "Default"),
            password=text("password"),
            project_name=text("project_name"),
            project_domain_name=text("project_domain_name", "Default"),
            application_credential_id=text("application_credential_id"),
            application_credential_secret=text("application_credential_secret"),
        )


@dataclass(frozen=True)
class CinderSettings:
    """What one Cinder store needs to know. `timeout`: seconds to wait for a volume.

    `endpoint`: the address of Cinder in place of the catalogue's; may hold %(project_id)s.
    `verify`: whether certificates are checked, or the file with the authorities to trust.
    """

    login: Login
    service_type: str = "volumev3"
    service_name: str | None = None
    interface: str = "publicURL"
    endpoint: str | None = None
    region: str | None = None
    verify: bool | str = True
    http_retries: int = 3
    timeout: int = 300
    volume_type: str | None = None
    use_multipath: bool = False
    enforce_multipath: bool = False
    mount_point_base: str = DEFAULT_MOUNT_POINT_BASE
    extend_attached: bool = False
    attachment_attempts: int = 5
    rootwrap: str = DEFAULT_ROOTWRAP

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """From the values of a store's section, by option name; what is missing has its default.

        Raises BadSettings, naming the option.
        """
        service_type, service_name, interface = _catalog_info(options)
        return cls(
            login=Login.from_options(options),
            service_type=service_type,
            service_name=service_name,
            interface=interface,
            endpoint=_endpoint(options),
            region=options.get("cinder_os_region_name") or None,
            verify=_verify(options),
            http_retries=_number(options, "cinder_http_retries", 3),
            timeout=_number(options, "cinder_state_transition_timeout", 300),
            volume_type=options.get("cinder_volume_type") or None,
            use_multipath=bool(options.get("cinder_use_multipath")),
            enforce_multipath=bool(options.get("cinder_enforce_multipath")),
            mount_point_base=_mount_point_base(options),
            extend_attached=bool(options.get("cinder_do_extend_attached")),
            attachment_attempts=max(1, _number(options, "cinder_attachment_retry_attempts", 5)),
            rootwrap=options.get("rootwrap_config") or DEFAULT_ROOTWRAP,
        )


def _number(options: Mapping[str, Any], name: str, default: int) -> int:
    value = options.get(name)
    return default if value is None else int(value)


def _catalog_info(options: Mapping[str, Any]) -> tuple[str, str | None, str]:
    text = options.get("cinder_catalog_info") or DEFAULT_CATALOG_INFO
    parts = [part.strip() for part in text.split(":")]
    if len(parts) != 3 or not parts[0] or not parts[2]:
        raise BadSettings(
            f"cinder_catalog_info = {text}: must be type:name:interface, e.g. "
            f"{DEFAULT_CATALOG_INFO}; the name may be empty"
        )
    return parts[0], parts[1] or None, parts[2]


def _endpoint(options: Mapping[str, Any]) -> str | None:
    text: str | None = options.get("cinder_endpoint_template") or None
    for name in ("%(tenant)s", "%(tenant_id)s"):
        text = text and text.replace(name, "%(project_id)s")
    try:
        _ = text and text % {"project_id": "", "user_id": ""}
    except (KeyError, ValueError, TypeError) as error:
        raise BadSettings(
            f"cinder_endpoint_template = {text}: may hold %(project_id)s and nothing else like it"
        ) from error
    return text


def _verify(options: Mapping[str, Any]) -> bool | str:
    if options.get("cinder_api_insecure"):
        return False
    file = options.get("cinder_ca_certificates_file")
    if file and not os.access(file, os.R_OK):
        raise BadSettings(f"cinder_ca_certificates_file: {file} cannot be read")
    return file or True


def _mount_point_base(options: Mapping[str, Any]) -> str:
    path: str = options.get("cinder_mount_point_base") or DEFAULT_MOUNT_POINT_BASE
    if not os.path.isabs(path):
        raise BadSettings(f"cinder_mount_point_base: {path!r} must begin with /")
    return os.path.normpath(path)
