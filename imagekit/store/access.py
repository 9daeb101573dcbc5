"""Requests with credentials: the registry's challenge, Basic, and the token service's Bearer tokens.

After distribution's "Token Authentication Specification" and "OAuth2 Token Authentication". Credentials go to the
registry they are for, and to the token service that it names if that speaks TLS, or if the registry is itself
spoken to without TLS and the service is on the same host. They never follow a redirect.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar
from urllib.parse import urlencode

from imagekit.errors import RemoteFailed
from imagekit.store.answers import SMALL, Answer, Refused
from imagekit.store.auth import Keyring
from imagekit.store.challenge import Challenge
from imagekit.store.ecr import is_ecr
from imagekit.store.guard import special
from imagekit.store.hosts import Endpoint
from imagekit.store.secret import Credential, Kind
from imagekit.store.transport import Request, Response, Transport
from imagekit.store.url import Url
from imagekit.values import dataclass
from imagekit.words import cleaned

T = TypeVar("T", Answer, Response)

_CLIENT: Final = "imagekit"
_BEARER: Final = re.compile(r"[!-~]{1,32768}")
#: Seconds that a token lives when its service does not say, and the longest that is believed.
_LIFE: Final = 60.0
_LONGEST_LIFE: Final = 12 * 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What a request is for: a repository, whether it writes, and the repository that it mounts from."""

    endpoint: Endpoint
    repository: str
    writes: bool = False
    mounts: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """As a token service is asked for it."""
        own = f"repository:{self.repository}:{'pull,push' if self.writes else 'pull'}"
        return (own, f"repository:{self.mounts}:pull") if self.mounts else (own,)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pass:
    """An Authorization header's value, until when it is good, and whose it is."""

    header: str
    until: float | None
    credential: Credential | None


class Access:
    """Sends requests to registries as somebody; thread-safe, one for a run."""

    def __init__(self, transport: Transport, keyring: Keyring | None = None) -> None:
        self.transport = transport
        self._keyring = keyring or Keyring(transport.hosts)
        self._lock = threading.RLock()
        self._challenges: dict[str, Challenge] = {}
        self._passes: dict[Scope, _Pass] = {}

    @property
    def keyring(self) -> Keyring:
        """Where credentials come from."""
        return self._keyring

    def send(self, request: Request, scope: Scope, bound: int) -> Answer:
        """The whole answer; raises RemoteFailed when there is none, Refused when it is 401 to the end.

        A request with a streamed body is not sent again: its Refused says 401, and the next one has a fresh pass.
        """
        return self._admitted(request, scope, lambda sent: self.transport.send(sent, bound))

    def open(self, request: Request, scope: Scope) -> Response:
        """The answer with its body unread; raises as `send` does."""
        return self._admitted(request, scope, self.transport.open)

    def _admitted(self, request: Request, scope: Scope, ask: Callable[[Request], T]) -> T:
        """What `ask` gets once the registry lets us in; asked without credentials where the URL is another server's."""
        if request.url.origin != scope.endpoint.url("/").origin:
            return ask(request)
        shown = self._pass(scope)
        found = ask(_with(request, shown))
        if not _is_barred(found, request):
            return found
        answer = _read(found)
        fresh = self._renewed(scope, shown, answer)
        if fresh is None or request.is_streamed:
            raise self._denied(scope, answer, shown or fresh, passing=fresh is not None)
        found = ask(_with(request, fresh))
        if _is_barred(found, request):
            raise self._denied(scope, _read(found), fresh)
        return found

    def shown(self, scope: Scope) -> str:
        """As whom requests of this scope are made, for people."""
        known = self._passes.get(scope)
        return str(known.credential) if known and known.credential else "without credentials"

    def _pass(self, scope: Scope) -> _Pass | None:
        """What is known to open this scope, made anew when it is about to end."""
        with self._lock:
            known, challenge = self._passes.get(scope), self._challenges.get(scope.endpoint.authority)
            if known and (known.until is None or self.transport.retry.clock() < known.until):
                return known
            return self._obtained(scope, challenge) if challenge else None

    def _renewed(self, scope: Scope, refused: _Pass | None, answer: Answer) -> _Pass | None:
        """Another pass than the one that was refused, or None when there is no other."""
        with self._lock:
            known = self._passes.get(scope)
            if known and known != refused:
                return known  # another thread was here first
            challenge = _chosen(answer)
            self._challenges[scope.endpoint.authority] = challenge
            if refused and refused.credential and refused.credential.renewable:
                self._keyring.forget(scope.endpoint.name)
            found = self._obtained(scope, challenge)
            return found if found and (not refused or found.header != refused.header) else None

    def _obtained(self, scope: Scope, challenge: Challenge) -> _Pass | None:
        credential = self._keyring.find(scope.endpoint.name, scope.repository, writes=scope.writes)
        if credential and (credential.kind is Kind.BEARER or challenge.scheme == "basic"):
            found: _Pass | None = _Pass(header=credential.header, until=None, credential=credential)
        elif challenge.scheme == "basic":
            found = None
        else:
            found = self._token(scope, challenge, credential)
        self._passes.pop(scope, None)
        if found:
            self._passes[scope] = found
        return found

    def _token(self, scope: Scope, challenge: Challenge, credential: Credential | None) -> _Pass:
        """A Bearer token of the service that the challenge names."""
        home = scope.endpoint.url("/v2/")
        guard = self.transport.guard(home)
        realm = guard.follow(home, challenge.parameters.get("realm", ""))
        if credential and not _may_see(realm, home):
            raise RemoteFailed(
                f"{scope.endpoint.authority} names the token service {realm.redacted}, which speaks no TLS: "
                f"the password of {credential} is not sent there",
                hint="the registry has to name its token service by https",
            )
        service = challenge.parameters.get("service", "")
        scopes = tuple(dict.fromkeys((*scope.texts, *filter(None, [challenge.parameters.get("scope", "")[:1000]]))))
        request = replace(_token_request(realm, service, scopes, credential), guard=guard)
        started = self.transport.retry.clock()
        answer = self.transport.send(request)
        if answer.status != 200:
            raise self._untold(scope, answer, credential)
        token, life = _token_in(answer)
        return _Pass(header=f"Bearer {token}", until=started + life, credential=credential)

    def _untold(self, scope: Scope, answer: Answer, credential: Credential | None) -> RemoteFailed:
        """The token service said no."""
        who = str(credential) if credential else "without credentials"
        message = f"the token service of {scope.endpoint.name} answers {answer.status} {who}"
        words = _scrubbed(answer, credential)
        hint = self._advice(scope) if answer.status in (400, 401, 403) else "try again later"
        return Refused(f"{message}{words} ({answer.request})", status=answer.status, hint=hint)

    def _denied(self, scope: Scope, answer: Answer, shown: _Pass | None, *, passing: bool = False) -> Refused:
        """401: nobody, or nobody who may."""
        credential = shown.credential if shown else None
        who = f"refuses us {credential}" if credential else "wants credentials, and none are known for it"
        words = _scrubbed(answer, credential)
        message = f"{scope.endpoint.name} {who}: 401{words} ({answer.request})"
        return Refused(message, status=401, hint=self._advice(scope), passing=passing)

    def _advice(self, scope: Scope) -> str:
        name = scope.endpoint.name
        if not is_ecr(name):
            return f'log in with `docker login {name}`, or set `username` and `password_env` in [hosts."{name}"]'
        return (
            f"`aws ecr get-login-password | docker login --username AWS --password-stdin {name}`, "
            "or install lambda-imagekit[aws], which asks AWS itself"
        )


def _is_barred(found: Answer | Response, request: Request) -> bool:
    """401 of the registry itself, not of a server that it sent us to."""
    return found.status == 401 and found.url.origin == request.url.origin


def _read(found: Answer | Response) -> Answer:
    return found.whole(SMALL) if isinstance(found, Response) else found


def _with(request: Request, shown: _Pass | None) -> Request:
    return request.with_headers({"Authorization": shown.header}) if shown else request


def _chosen(answer: Answer) -> Challenge:
    """The challenge to take: Bearer, else Basic; raises RemoteFailed when there is neither."""
    getlist = getattr(answer.headers, "getlist", None)
    values = getlist("WWW-Authenticate") if getlist else [answer.headers.get("WWW-Authenticate", "")]
    found = Challenge.all_from(values)
    for scheme in ("bearer", "basic"):
        for challenge in found:
            if challenge.scheme == scheme and (scheme == "basic" or challenge.parameters.get("realm")):
                return challenge
    schemes = cleaned(", ".join(challenge.scheme for challenge in found), 100) or "none"
    raise Refused(
        f"401 with no way to log in that is known; the server names {schemes} ({answer.request})",
        status=401,
        hint="registries ask for Bearer or Basic; look at the proxy before it",
    )


def _may_see(realm: Url, home: Url) -> bool:
    """Whether the token service may see the password: see the module's text."""
    if realm.scheme == "https":
        return True
    return home.scheme == "http" and (
        realm.host == home.host or special(realm.host) == special(home.host) == "loopback"
    )


def _token_request(realm: Url, service: str, scopes: tuple[str, ...], credential: Credential | None) -> Request:
    if credential and credential.kind is Kind.IDENTITY:
        form = {"grant_type": "refresh_token", "service": service, "client_id": _CLIENT, "scope": " ".join(scopes)}
        body = urlencode({**form, "refresh_token": credential.secret.reveal()}).encode()
        return Request(
            method="POST", url=realm, body=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
    pairs = [("service", service)] if service else []
    url = realm.with_query([*pairs, *(("scope", scope) for scope in scopes)])
    return Request(method="GET", url=url, headers={"Authorization": credential.header} if credential else {})


def _token_in(answer: Answer) -> tuple[str, float]:
    """The token and the seconds that it may be used, a little less than it lives."""
    document = answer.mapping("the token service's answer")
    token, life = document.get("token") or document.get("access_token"), document.get("expires_in")
    if not isinstance(token, str) or not _BEARER.fullmatch(token):
        raise answer.unfit("the token service's answer has no token in it")
    told = life if isinstance(life, int | float) and not isinstance(life, bool) and life > 0 else _LIFE
    return token, float(min(told, _LONGEST_LIFE)) * 0.9


def _scrubbed(answer: Answer, credential: Credential | None) -> str:
    """The server's own words, without our secret should it repeat that."""
    words = answer.words
    if credential:
        for secret in (credential.secret.reveal(), credential.header.partition(" ")[2]):
            words = words.replace(secret, "…") if secret else words
    return f", {words}" if words else ""
