"""Secrets, which no text of this program shows, and the credentials that they belong to."""

from __future__ import annotations

import base64
from enum import StrEnum
from typing import Final

from imagekit.values import dataclass

_HIDDEN: Final = "(hidden)"


class Secret:
    """A password or a token. Only `reveal` gives it; printing, formatting and repr do not."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the header that it goes into."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret{_HIDDEN}"

    def __str__(self) -> str:
        return _HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")


class Kind(StrEnum):
    """How a credential is used: as user and password, as an OAuth2 refresh token, as a bearer token as it is."""

    BASIC = "basic"
    IDENTITY = "identity"
    BEARER = "bearer"


@dataclass(frozen=True, kw_only=True, slots=True)
class Credential:
    """Who we are to a host. `origin` says for people where it was found; `renewable`: asking again may give another."""

    origin: str
    secret: Secret
    username: str = ""
    kind: Kind = Kind.BASIC
    renewable: bool = False

    @property
    def header(self) -> str:
        """The value of `Authorization` (RFC 7617, RFC 6750)."""
        if self.kind is Kind.BEARER:
            return f"Bearer {self.secret.reveal()}"
        return f"Basic {base64.b64encode(f'{self.username}:{self.secret.reveal()}'.encode()).decode()}"

    def __str__(self) -> str:
        who = f"as {self.username!r}" if self.username else "with a token"
        return f"{who} ({self.origin})"
