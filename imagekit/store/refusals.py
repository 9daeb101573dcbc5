"""A registry's no, in words: what was asked, as whom, what to do (distribution-spec, "Error Codes")."""

from __future__ import annotations

from typing import Final

from imagekit.store.answers import Answer, Refused
from imagekit.store.ecr import action_of, advice, arn_of, is_ecr
from imagekit.store.retry import asked_pause, passes
from imagekit.values import dataclass

_TLS_WORDS: Final = (
    b"http request to an https server",
    b"plain http request was sent to https port",
    b"speaking plain http to an ssl-enabled server port",
)
_IMMUTABLE_CODES: Final = frozenset({"TAG_INVALID", "ImageTagAlreadyExistsException", "TAG_IMMUTABLE"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Deed:
    """What was tried: `subject` for people, in the repository `repository` of `registry`, as `who`."""

    subject: str
    registry: str
    repository: str
    who: str
    writes: bool = False


def refused(answer: Answer, deed: Deed, *, passing: bool | None = None) -> Refused:
    """The error for an answer that is a no; whether it passes is judged by its status unless that is known better."""
    if deed.writes and _is_immutable(answer):
        message, hint = f"{deed.subject} is immutable and names another image", "push under another tag"
    elif _wants_tls(answer):
        message, hint = _spoken_plainly(answer)
    else:
        message, hint = _BY_STATUS.get(answer.status, _trouble)(answer, deed)
    words = f": {answer.words}" if answer.words else ""
    error = Refused(
        f"{message}{words} ({answer.status} to {answer.request})",
        hint=hint,
        status=answer.status,
        passing=passes(answer.status) if passing is None else passing,
    )
    error.pause = asked_pause(answer.headers)
    error.repository = (deed.registry, deed.repository)
    return error


def _is_immutable(answer: Answer) -> bool:
    """Registries say it in their own ways; the specification has no code for it."""
    if answer.status not in (400, 403, 405, 409, 412):
        return False
    words = answer.words.lower()
    said = "immutable" in words or "already exists" in words or "cannot be overwritten" in words
    return said or any(code in _IMMUTABLE_CODES for code, _ in answer.errors)


def _wants_tls(answer: Answer) -> bool:
    """Go, nginx and Apache each have words of their own for plain http where TLS is spoken; all say 400."""
    said = answer.body[:4096].lower()
    return answer.status == 400 and answer.url.scheme == "http" and any(words in said for words in _TLS_WORDS)


def _spoken_plainly(answer: Answer) -> tuple[str, str]:
    host = answer.url.authority
    return (
        f"{host} speaks TLS, and was asked in plain http",
        f'name its certificate authority with --ca-file FILE, or as `ca` of [hosts."{host}"] in imagekit.toml; '
        "where it is named by --insecure, leave that out",
    )


def _forbidden(answer: Answer, deed: Deed) -> tuple[str, str]:
    verb = "push to" if deed.writes else "pull"
    hint = f"log in as somebody who may: `docker login {deed.registry}`"
    if is_ecr(deed.registry):
        hint = _of_aws(answer, deed)
    return f"{deed.registry} does not let us {verb} {deed.subject} {deed.who}", hint


def _of_aws(answer: Answer, deed: Deed) -> str:
    """ECR says 403 to a token that has ended as well as to somebody who may not."""
    if "authorization token has expired" in answer.words.lower():
        return f"the login for {deed.registry} has ended: log in again, or `docker logout` so that AWS is asked itself"
    action = action_of(answer.method, answer.url.target.partition("?")[0], deed.registry)
    return advice(answer.words, action, arn_of(deed.registry, deed.repository))


def _absent(_: Answer, deed: Deed) -> tuple[str, str]:
    if not deed.writes:
        return f"no such image, or no access to it: {deed.subject} {deed.who}", "check name and tag, and the login"
    hint = "create the repository in the registry first, or check its name"
    if is_ecr(deed.registry):
        hint = "`imagekit push --create-repository` creates it as Lambda needs it"
    return f"no such repository: {deed.registry}/{deed.repository}", hint


def _too_many(_: Answer, deed: Deed) -> tuple[str, str]:
    hint = "wait a while, log in (logged-in users may ask more), or read through a --mirror"
    return f"{deed.registry} has had too many requests, and stays with that", hint


def _trouble(answer: Answer, deed: Deed) -> tuple[str, str]:
    if answer.status >= 500:
        return f"{deed.registry} has trouble with {deed.subject}", "try again later; look at the registry's own log"
    if answer.status < 400:
        return f"{deed.registry} answers {deed.subject} with something unexpected", "look at the proxy before it"
    return f"{deed.registry} does not take {deed.subject}", "the registry's own words say what it does not like"


_BY_STATUS: Final = {403: _forbidden, 404: _absent, 429: _too_many}
