"""One repository of a registry, to read images from and write them to (OCI distribution-spec 1.1)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from imagekit.errors import InvalidFile, RemoteFailed
from imagekit.oci import media
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.manifest import MAX_SIZE
from imagekit.oci.ports import Document, Opener
from imagekit.oci.reference import TAG, Reference
from imagekit.store.access import Access, Scope
from imagekit.store.answers import SMALL, Answer, Refused, Unanswered
from imagekit.store.refusals import Deed, refused
from imagekit.store.transport import Request
from imagekit.store.upload import Session, Uploader, same_digest
from imagekit.store.verify import check, verified
from imagekit.words import cleaned

logger = logging.getLogger(__name__)

_OLD: Final = "application/vnd.docker.distribution.manifest.v1"
_TRIES: Final = 3
_PAGES: Final = 100


class Registry:
    """A Source and a Sink. `reads` sends everything to the registry's mirror, where one is set; else to itself.

    Thread-safe. Every method raises RemoteFailed when the registry or the way to it fails, Refused when it says no.
    """

    def __init__(self, reference: Reference, access: Access, *, reads: bool = False) -> None:
        self._access = access
        hosts = access.transport.hosts
        if reads:
            endpoint, repository = hosts.registry_for_reading(reference.registry, reference.repository)
        else:
            endpoint, repository = hosts.registry(reference.registry), reference.repository
        self._name = reference.name
        self._scope = Scope(endpoint=endpoint, repository=repository, writes=not reads)
        self._sessions: dict[Digest, Session] = {}

    @property
    def name(self) -> str:
        """Registry and repository as the user calls them, whatever mirror is between."""
        return self._name

    # Source

    def document(self, selector: str) -> Document:
        """The manifest or index under a tag or a digest; raises WrongDigest when it is not the one asked for."""
        answer = self._get(selector)
        found = Digest.of(answer.body)
        same_digest(answer, found)
        descriptor = Descriptor.of(answer.body, _media_type(answer))
        if selector.startswith("sha256:"):
            wanted = replace(descriptor, digest=Digest.parse(selector))
            check(found, len(answer.body), wanted, answer.request)
        return Document(data=answer.body, descriptor=descriptor)

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        """The blob in pieces of 256 KiB, straight from the network; one that breaks off raises, the caller retries."""
        request = self._request("GET", f"blobs/{descriptor.digest}")
        with self._access.open(request, self._scope) as response:
            if response.status != 200:
                raise refused(response.whole(SMALL), self._deed(str(descriptor.digest)))
            yield verified(response.pieces(descriptor.size), descriptor, f"{response.method} {response.url.redacted}")

    # Sink

    def has(self, descriptor: Descriptor) -> bool:
        """True when the blob is there already."""
        answer = self._access.send(self._request("HEAD", f"blobs/{descriptor.digest}"), self._scope, SMALL)
        if answer.status not in (200, 404):
            raise refused(answer, self._deed(str(descriptor.digest)))
        return answer.status == 200

    def mount(self, descriptor: Descriptor, origin: str) -> bool:
        """Take a blob over from `origin`, if that is read from this very registry; its no is no error.

        The upload session that a registry opens instead is kept for the `put` that follows.
        """
        registry, _, repository = origin.partition("/")
        endpoint, repository = self._access.transport.hosts.registry_for_reading(registry, repository)
        if endpoint.authority != self._scope.endpoint.authority or repository == self._scope.repository:
            return False
        query = [("mount", str(descriptor.digest)), ("from", repository)]
        scope = replace(self._scope, mounts=repository)
        try:
            answer, guard = self._uploader().begin(scope, query)
        except Refused:
            return False
        self._cancel(self._sessions.pop(descriptor.digest, None))
        if answer.status == 202:
            self._sessions[descriptor.digest] = Session.from_answer(answer, guard)
        return answer.status == 201

    def put(self, descriptor: Descriptor, opened: Opener) -> None:
        """Upload a blob without a copy on disk; what broke is begun anew, `opened` called again, three times in all."""
        retry, attempt, uploader = self._access.transport.retry, 0, self._uploader()
        while True:
            attempt += 1
            session = self._sessions.pop(descriptor.digest, None) or uploader.session()
            try:
                return uploader.put(descriptor, opened, session)
            except (Unanswered, Refused) as error:
                asked = error.pause if isinstance(error, Refused) else None
                pause = retry.pause(attempt, retry.clock() + retry.budget, asked)
                if not error.passing or attempt == _TRIES or pause is None:
                    raise
                logger.info("%s; the blob is uploaded anew in %.1f s", error, pause)
            retry.sleep(pause)
            if self.has(descriptor):
                return None  # only the last answer was lost

    def digest_of(self, tag: str) -> Digest | None:
        """What a tag names now, or None; a registry whose HEAD does not say it is asked for the document."""
        answer = self._access.send(self._document_request("HEAD", tag), self._scope, SMALL)
        if answer.status == 404:
            return None
        told = answer.headers.get("Docker-Content-Digest", "")
        if answer.status == 200 and told.startswith("sha256:"):
            return Digest.parse(told)
        if answer.status in (200, 400, 405, 501):
            return self.document(tag).descriptor.digest
        raise refused(answer, self._deed(f"{self._name}:{tag}"))

    def put_document(self, document: Document, tag: str = "") -> None:
        """Write a manifest or index byte for byte; raises WrongDigest when the registry took it for something else."""
        selector = tag or str(document.descriptor.digest)
        headers = {"Content-Type": document.descriptor.media_type}
        request = self._request("PUT", f"manifests/{_selector(selector)}").with_headers(headers)
        answer = self._access.send(replace(request, body=document.data), self._scope, SMALL)
        if not 200 <= answer.status < 300:
            raise refused(answer, self._deed(_named(self._name, selector)))
        same_digest(answer, document.descriptor.digest)

    # Beside

    def tags(self) -> tuple[str, ...]:
        """All tags, sorted (distribution-spec, "Listing Tags"); none when the repository does not exist."""
        request = self._request("GET", "tags/list?n=1000")
        guard = self._access.transport.guard(request.url)
        found: set[str] = set()
        for _ in range(_PAGES):
            answer = self._access.send(request, self._scope, MAX_SIZE)
            if answer.status == 404:
                break
            if answer.status != 200:
                raise refused(answer, self._deed(self._name))
            listed = answer.mapping("the list of tags").get("tags")
            found |= {tag for tag in listed or () if isinstance(tag, str)} if isinstance(listed, list) else set()
            following = re.match(r'\s*<([^>]*)>\s*;\s*rel="?next"?', answer.headers.get("Link", ""))
            if following is None:
                break
            request = Request(method="GET", url=guard.follow(request.url, following[1]), guard=guard)
        return tuple(sorted(found))

    def _get(self, selector: str) -> Answer:
        answer = self._access.send(self._document_request("GET", selector), self._scope, MAX_SIZE)
        if answer.status != 200:
            raise refused(answer, self._deed(_named(self._name, selector)))
        return answer

    def _document_request(self, method: str, selector: str) -> Request:
        request = self._request(method, f"manifests/{_selector(selector)}")
        return request.with_headers({"Accept": ", ".join(media.ACCEPTED)})

    def _request(self, method: str, target: str) -> Request:
        scope = self._scope
        return Request(method=method, url=scope.endpoint.url(f"/v2/{scope.repository}/{target}"))

    def _cancel(self, session: Session | None) -> None:
        """Tell the registry that a session is not used; some cannot be told, and end it themselves."""
        if session is None:
            return
        request = Request(method="DELETE", url=session.url, guard=session.guard, repeatable=False)
        try:
            self._access.send(request, self._scope, SMALL)
        except RemoteFailed as error:
            logger.debug("an upload session is left open: %s", error)

    def _uploader(self) -> Uploader:
        return Uploader(self._access, self._scope, self._deed(self._name))

    def _deed(self, subject: str) -> Deed:
        scope = self._scope
        who = self._access.shown(scope)
        name = scope.endpoint.name
        return Deed(subject=subject, registry=name, repository=scope.repository, who=who, writes=scope.writes)


def _selector(text: str) -> str:
    """A tag or a digest, as it goes into a URL; raises InvalidFile for anything else."""
    if not (TAG.fullmatch(text) or re.fullmatch(r"sha256:[0-9a-f]{64}", text)):
        raise InvalidFile(
            f"neither a tag nor a digest: {text[:200]!r}", hint="a tag is at most 128 of A-Z a-z 0-9 _ . -"
        )
    return text


def _named(name: str, selector: str) -> str:
    return f"{name}@{selector}" if ":" in selector else f"{name}:{selector}"


def _media_type(answer: Answer) -> str:
    """By the header, else by the body; where both speak they have to agree (CVE-2021-41190)."""
    told = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    document = answer.mapping("the manifest")
    if told.startswith(_OLD) or document.get("schemaVersion") == 1:
        raise RemoteFailed(
            f"the image is in Docker's old form, schema 1, which has no digests that can be checked ({answer.request})",
            hint="push the image again with a tool of this decade, or choose another one",
        )
    inside = document.get("mediaType")
    if told in media.ACCEPTED and inside and inside != told:
        raise RemoteFailed(
            f"the manifest calls itself {cleaned(str(inside), 80)}, the registry calls it {told} ({answer.request})",
            hint="do not trust this image: two readers would see two different ones",
        )
    shape = _by_shape(document)
    named = told if told in media.ACCEPTED else inside or shape
    if named not in media.ACCEPTED or shape != (media.INDEX if named in media.INDEXES else media.MANIFEST):
        raise answer.unfit("the registry sends something that is neither a manifest nor an index")
    return str(named)


def _by_shape(document: Mapping[str, object]) -> str:
    """What a document is by its fields; OCI lets manifests and indexes be without `mediaType`."""
    if "manifests" in document:
        return "" if "layers" in document else media.INDEX
    return media.MANIFEST if "layers" in document and "config" in document else ""
