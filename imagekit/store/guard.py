"""The URL guard: what a server may send this program to (redirect, upload Location, token realm, Link).

A registry's answer is foreign text. Followed blindly it would reach services that only this machine can see, such
as the cloud's metadata address. So each such URL is judged twice: by its text, and by the address that the
connection really has, before a byte is sent over it; a name that resolves anew finds no gap between the two.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from imagekit.errors import RemoteFailed
from imagekit.store.url import Url
from imagekit.values import dataclass

_HINT: Final = "do not trust this server or the proxy before it; a server of your own is named by --mirror or [hosts]"
#: Addresses that clouds answer with credentials at, beside the link-local ones: EC2's IPv6, Alibaba's, Azure's.
_METADATA: Final = ("fd00:ec2::/32", "100.100.100.200/32", "168.63.129.16/32")


@lru_cache(maxsize=256)
def special(address: str) -> str:
    """What kind of address this is when it is one that no server may send us to, else nothing.

    IPv4 inside IPv6 (mapped, compatible, 6to4, NAT64) counts as the IPv4 address (RFC 4291, 3056, 6052).
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "loopback" if address == "localhost" or address.endswith(".localhost") else ""
    if isinstance(found, ipaddress.IPv6Address) and found != ipaddress.IPv6Address("::1"):
        inner = found.ipv4_mapped or found.sixtofour or _embedded(int(found))
        found = ipaddress.IPv4Address(inner) if inner is not None else found
    if any(found in ipaddress.ip_network(network) for network in _METADATA):
        return "metadata"
    kinds = {
        "loopback": found.is_loopback,
        "link-local": found.is_link_local,
        "unspecified": found.is_unspecified or found in ipaddress.ip_network("0.0.0.0/8"),
        "multicast": found.is_multicast,
        "reserved": found.is_reserved,
    }
    return next((kind for kind, fits in kinds.items() if fits), "")


def _embedded(number: int) -> int | None:
    """The IPv4 address in an IPv4-compatible (::/96) or a NAT64 (64:ff9b::/96, 64:ff9b:1::/48) address."""
    compatible = number >> 32 == 0 and number > 1
    nat64 = number >> 96 == 0x0064FF9B
    return number & 0xFFFFFFFF if compatible or nat64 else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Guard:
    """The judge of what servers name while a request to `configured`, the user's own URL, is under way.

    A special address is fit only when the user's own URL is written with one of the same kind (a registry on
    loopback may redirect to loopback). `plain` says of a host whether the user lets it be spoken to without TLS.
    """

    configured: Url
    plain: Callable[[str], bool]

    @property
    def allowed(self) -> str:
        """The kind of special address that is fit here, if any."""
        return special(self.configured.host)

    def follow(self, base: Url, location: str) -> Url:
        """The URL in an answer from `base`; raises RemoteFailed when it is not to be followed."""
        url = base.join(location)
        if self.is_home(url):
            return url
        if url.scheme == "http" and "https" in (base.scheme, self.configured.scheme):
            raise self._refused(url, "it leaves TLS")
        if url.scheme == "http" and url.host != self.configured.host and not self.plain(url.authority):
            raise self._refused(url, "it is plain http")
        self.judge(url, url.host)
        return url

    def judge(self, url: Url, address: str) -> None:
        """Raise RemoteFailed when `address`, an IP address or a name, is one that no server may send us to."""
        kind = special(address)
        if kind and kind != self.allowed:
            raise self._refused(url, f"{address} is a {kind} address")

    def is_home(self, url: Url) -> bool:
        """True for the server that the user named: it may send us to itself, wherever it is."""
        return url.origin == self.configured.origin

    def _refused(self, url: Url, why: str) -> RemoteFailed:
        return RemoteFailed(
            f"{self.configured.authority} sends us to {url.redacted}, which is not followed: {why}", hint=_HINT
        )
