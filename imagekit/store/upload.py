"""Uploading a blob: POST opens a session, one streamed PATCH, a closing PUT (distribution-spec, "Pushing blobs").

One PATCH, because ECR takes no parts under 5 MB but the last; its answer (201 at ECR, 202 elsewhere) and its Range
(stale at ECR) say nothing that is needed. What broke is begun again in a new session: an old one keeps what it got.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imagekit.errors import ImagekitError, WrongDigest
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Opener
from imagekit.store.access import Access, Scope
from imagekit.store.answers import SMALL, Answer, Refused, Unanswered
from imagekit.store.ecr import is_ecr
from imagekit.store.guard import Guard
from imagekit.store.refusals import Deed, refused
from imagekit.store.retry import passes
from imagekit.store.transport import Request
from imagekit.store.url import Url
from imagekit.values import dataclass

#: Bytes handed to the socket at a time; each gets the idle time.
_SENT: Final = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """An open upload; its URL came from the registry."""

    url: Url
    guard: Guard

    @classmethod
    def from_answer(cls, answer: Answer, guard: Guard) -> Session:
        """Out of an answer's Location; raises RemoteFailed when that is missing or not to be followed."""
        location = answer.headers.get("Location")
        if not location:
            raise answer.unfit("the registry opened an upload without saying where")
        return cls(url=guard.follow(answer.url, location), guard=guard)


class _Feed:
    """The body of the PATCH: exactly as many bytes as were announced, and what went wrong at their source."""

    def __init__(self, pieces: Iterator[bytes], descriptor: Descriptor) -> None:
        self._pieces = pieces
        self._descriptor = descriptor
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[bytes | memoryview]:
        left = self._descriptor.size
        try:
            for piece in self._pieces:
                left -= len(piece)
                if left < 0:
                    raise self._unfit("more")
                view = memoryview(piece)
                for start in range(0, len(piece), _SENT):
                    yield view[start : start + _SENT]
            if left:
                raise self._unfit("fewer")
        except (OSError, ImagekitError) as error:
            self.failure = error
            raise

    def _unfit(self, how: str) -> WrongDigest:
        descriptor = self._descriptor
        return WrongDigest(f"the source of {descriptor.digest} gives {how} bytes than its {descriptor.size}")


class Uploader:
    """Uploads blobs to one repository."""

    def __init__(self, access: Access, scope: Scope, deed: Deed) -> None:
        self._access = access
        self._scope = scope
        self._deed = deed

    def begin(self, scope: Scope, query: list[tuple[str, str]]) -> tuple[Answer, Guard]:
        """POST for a session, or for a mount when the query says so."""
        url = scope.endpoint.url(f"/v2/{scope.repository}/blobs/uploads/").with_query(query)
        answer = self._access.send(Request(method="POST", url=url), scope, SMALL)
        return answer, self._access.transport.guard(url)

    def put(self, descriptor: Descriptor, opened: Opener, session: Session) -> None:
        """Upload within an open session, which is used up by that; the closing PUT comes only after all was read."""
        with opened() as pieces:
            session = self._streamed(session, descriptor, _Feed(pieces, descriptor))
        self._closed(session, descriptor)

    def session(self) -> Session:
        """A new session. ECR may break the connection off where the repository does not exist."""
        try:
            answer, guard = self.begin(self._scope, [])
        except Unanswered as error:
            if is_ecr(self._deed.registry):
                error.hint = f"{error.hint}; ECR also breaks off when there is no repository {self._deed.repository}"
            raise
        if answer.status not in (201, 202):
            raise refused(answer, self._deed)
        return Session.from_answer(answer, guard)

    def _streamed(self, session: Session, descriptor: Descriptor, feed: _Feed) -> Session:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(descriptor.size)}
        request = Request(method="PATCH", url=session.url, headers=headers, body=feed, guard=session.guard)
        try:
            answer = self._access.send(request, self._scope, SMALL)
        except Unanswered as error:
            if feed.failure is not None:
                raise feed.failure from error
            raise
        if not 200 <= answer.status < 300:
            raise self._broken(answer)
        return Session.from_answer(answer, session.guard) if answer.headers.get("Location") else session

    def _closed(self, session: Session, descriptor: Descriptor) -> None:
        url = session.url.with_query([("digest", str(descriptor.digest))])
        request = Request(method="PUT", url=url, guard=session.guard, repeatable=False)
        answer = self._access.send(request, self._scope, SMALL)
        if not 200 <= answer.status < 300:
            raise self._broken(answer)
        same_digest(answer, descriptor.digest)

    def _broken(self, answer: Answer) -> Refused:
        """A session that the registry does not know any more is a matter of another try."""
        return refused(answer, self._deed, passing=passes(answer.status) or answer.status in (404, 416))


def same_digest(answer: Answer, digest: Digest) -> None:
    """Raise WrongDigest when the registry says that it holds something else; other algorithms than ours say nothing."""
    told = answer.headers.get("Docker-Content-Digest", "")
    if told.startswith("sha256:") and Digest.parse(told) != digest:
        raise WrongDigest(f"the registry names {told} what is {digest} ({answer.request})")
