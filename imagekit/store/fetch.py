"""Files by URL into the cache, checked against the checksum and size that are known of them."""

from __future__ import annotations

import hashlib
import logging
import os
from typing import Final

from imagekit.errors import InvalidFile, RemoteFailed, WrongChecksum
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Cache, Fetched
from imagekit.store.answers import SMALL, Answer, Refused, TooLong, Unanswered
from imagekit.store.auth import Keyring
from imagekit.store.retry import passes
from imagekit.store.secret import Credential
from imagekit.store.transport import Request, Response, Transport
from imagekit.store.url import Url

logger = logging.getLogger(__name__)

#: Bytes that are taken when the size is not known.
LARGEST: Final = 10 * 1024**3
_TRIES: Final = 3


class Downloads:
    """A Fetch over http and https: mirrors, redirects through the guard, the login of [hosts] or ~/.netrc."""

    def __init__(
        self, transport: Transport, cache: Cache, keyring: Keyring | None = None, *, largest: int = LARGEST
    ) -> None:
        self._transport = transport
        self._cache = cache
        self._keyring = keyring or Keyring(transport.hosts)
        self._largest = largest

    def fetch(
        self, url: str, *, digest: Digest | None, size: int | None, named_by: str = "", limit: int | None = None
    ) -> Fetched:
        """The file behind a URL, from the cache when its digest is known and there.

        A URL that a server named passes the guard. Raises InvalidFile for a URL that is none or speaks no TLS to a
        foreign host, WrongChecksum for other bytes than digest and size say, RemoteFailed when the server or the way
        to it fails, or sends more than `limit` bytes.
        """
        if digest is not None and (path := self._cache.blob(digest)):
            return Fetched(path=path, digest=digest, size=os.stat(path).st_size)
        request, credential = self._request(_parsed(url), _parsed(named_by) if named_by else None)
        most = min(self._largest, self._largest if limit is None else limit)
        retry, attempt = self._transport.retry, 0
        while True:
            attempt += 1
            try:
                return self._once(request, credential, digest, size, most)
            except Unanswered as error:
                pause = retry.pause(attempt, retry.clock() + retry.budget)
                if not error.passing or attempt == _TRIES or pause is None:
                    raise
                logger.info("%s; it is fetched anew in %.1f s", error, pause)
            retry.sleep(pause)

    def _request(self, named: Url, named_by: Url | None) -> tuple[Request, Credential | None]:
        url = self._transport.hosts.mirrored(named)
        guard = None
        if named_by and url == named:  # a mirror is the user's own word
            guard = self._transport.guard(named_by)
            guard.follow(named_by, str(named))
        if url.scheme == "http" and not self._transport.hosts.is_plain(url.authority):
            raise InvalidFile(
                f"{url.redacted} is not fetched without TLS",
                hint=f"write https, or let the host speak plain http: --insecure {url.authority}",
            )
        credential = self._keyring.for_url(url.authority)
        headers = {"Authorization": credential.header} if credential else {}
        return Request(method="GET", url=url, headers=headers, guard=guard), credential

    def _once(
        self, request: Request, credential: Credential | None, digest: Digest | None, size: int | None, most: int
    ) -> Fetched:
        with self._transport.open(request) as response:
            if response.status != 200:
                raise _refused(response.whole(SMALL), credential)
            return self._kept(response, digest, size, most)

    def _kept(self, response: Response, digest: Digest | None, size: int | None, most: int) -> Fetched:
        """Write the body to the cache; nothing is kept unless it is what it should be."""
        where, found, taken = response.url.redacted, hashlib.sha256(), 0
        with self._cache.writer() as writer:
            try:
                for piece in response.pieces(most if size is None else size):
                    writer.file.write(piece)
                    found.update(piece)
                    taken += len(piece)
            except TooLong as error:
                if size is None:
                    raise
                raise WrongChecksum(f"{where} has more than the {size} bytes that are expected") from error
            got = Digest(found.hexdigest())
            if digest is not None and got != digest:
                raise WrongChecksum(f"{where} has another checksum: expected {digest}, got {got} ({taken} bytes)")
            if size is not None and taken != size:
                raise WrongChecksum(f"{where} has {taken} bytes, expected {size}")
            return Fetched(path=writer.commit(got), digest=got, size=taken)


def _parsed(text: str) -> Url:
    try:
        return Url.parse(text)
    except RemoteFailed as error:
        raise InvalidFile(
            error.message, hint="a file is fetched by http:// or https://; local ones are paths"
        ) from error


def _refused(answer: Answer, credential: Credential | None) -> Refused:
    who = f" {credential}" if credential else ""
    hints = {
        401: f'set `username` and `password_env` in [hosts."{answer.url.authority}"], or a login in ~/.netrc',
        403: "check the URL and the login; some servers say 403 for what is not there",
        404: "check the URL; old releases move to archives",
        429: "wait a while, or read through a --mirror",
    }
    words = f": {answer.words}" if answer.words else ""
    return Refused(
        f"{answer.url.authority} answers {answer.status}{who}{words} ({answer.request})",
        hint=hints.get(answer.status, "try again later; the server's own words say what it does not like"),
        status=answer.status,
        passing=passes(answer.status),
    )
