"""The settings of an http store, from the options of Glance's."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from calotype.errors import BadSettings

_PORT = 80


@dataclass(frozen=True)
class HttpSettings:
    """What an http store needs to know. `proxies`: host and port by scheme.

    `insecure`: do not check certificates; without effect when `ca_file` names whom to trust.
    """

    ca_file: str | None = None
    insecure: bool = True
    proxies: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """From the values of a store's section, by option name; what is missing has its default.

        Raises BadSettings, naming the option.
        """
        proxies = options.get("http_proxy_information") or {}
        settings = cls(
            ca_file=options.get("https_ca_certificates_file") or None,
            insecure=bool(options.get("https_insecure", True)),
            proxies={scheme: _proxy(scheme, text) for scheme, text in proxies.items()},
        )
        if settings.ca_file:
            settings._context()
        return settings

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """How certificates are judged."""
        return self._context()

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:  # which errors of certificates are, too
            raise BadSettings(f"https_ca_certificates_file: {self.ca_file}: {error}") from error
        if self.insecure and not self.ca_file:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _proxy(scheme: str, text: str) -> tuple[str, int]:
    if scheme not in ("http", "https"):
        raise BadSettings(f"http_proxy_information: {scheme!r} is neither http nor https")
    host, colon, port = text.removeprefix("http://").rstrip("/").rpartition(":")
    if not colon:
        host, port = port, str(_PORT)
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise BadSettings(f"http_proxy_information: the proxy for {scheme} must be host:port")
    return host.strip("[]"), int(port)
