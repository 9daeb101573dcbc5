"""Which proxy a connection goes through: HTTPS_PROXY, HTTP_PROXY, NO_PROXY. Never one for loopback."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import field
from urllib.parse import unquote, urlsplit

from imagekit.errors import UsageError
from imagekit.store.guard import special
from imagekit.store.url import Url, redacted
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxy:
    """A proxy's own address, and the header that opens it."""

    url: Url
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def proxy_for(url: Url, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy on the way to `url`; the lower-case variable wins, as in curl. Raises UsageError."""
    text = _variable(environment, f"{url.scheme}_proxy") or _variable(environment, "all_proxy")
    if not text or special(url.host) == "loopback" or _is_excepted(url, _variable(environment, "no_proxy")):
        return None
    return _proxy(text if "//" in text else f"http://{text}", url.scheme)


def _proxy(text: str, scheme: str) -> Proxy:
    hint = f"{scheme.upper()}_PROXY is http://[user:password@]host:port"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError as error:
        raise UsageError(f"not a proxy: {redacted(text)!r}", hint=hint) from error
    if parts.scheme != "http" or not host:
        raise UsageError(f"not a proxy that is spoken to over http: {redacted(text)!r}", hint=hint)
    url = Url(scheme="http", host=host, port=port, target="/")
    return Proxy(url=url, headers=_opening(unquote(parts.username or ""), unquote(parts.password or "")))


def _opening(username: str, password: str) -> dict[str, str]:
    import base64

    if not (username or password):
        return {}
    return {"Proxy-Authorization": f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"}


def _variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.upper(), "")


def _is_excepted(url: Url, no_proxy: str) -> bool:
    """`*`, a domain (itself and below), `host:port`, an address, or a network such as 10.0.0.0/8."""
    return any(_fits(item.strip().lower(), url) for item in no_proxy.split(",") if item.strip())


def _fits(item: str, url: Url) -> bool:
    if item == "*" or _in_network(item.strip("[]"), url.host):
        return True
    if ":" in item and item in (f"{url.host}:{url.port}", f"[{url.host}]:{url.port}"):
        return True
    domain = item.removeprefix("*").removeprefix(".")
    return url.host == domain or url.host.endswith(f".{domain}")


def _in_network(item: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(item, strict=False)
    except (ValueError, TypeError):
        return False
