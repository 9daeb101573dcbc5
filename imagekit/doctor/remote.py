"""The hosts that a spec's image comes from and goes to: do they answer, as whom are they asked, whom is trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from imagekit import parallel
from imagekit.doctor.diagnosis import Diagnosis, State
from imagekit.errors import ImagekitError, InvalidFile, Missing, RemoteFailed
from imagekit.oci.reference import Reference
from imagekit.store.access import Access
from imagekit.store.answers import SMALL
from imagekit.store.hosts import Hosts
from imagekit.store.registry import Registry
from imagekit.store.retry import Retry
from imagekit.store.tls import trusted
from imagekit.store.transport import Request, Transport
from imagekit.store.url import Url
from imagekit.values import dataclass

#: One try, and not for long: a host that answers late is not what is looked for.
_PATIENCE: Final = Retry(budget=10.0, idle=8.0, tries=1, silent_tries=1)
_WORKERS: Final = 8
#: Answers to HEAD of a server that is there, and that may know a file by GET only.
_ABSENT: Final = (404, 410)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What a build reads and a push writes: references of images, URLs of archives, repositories.

    `packages` are URLs in package repositories; one may end where its path is not known yet. Not `needed` where no spec
    names it.
    """

    images: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    needed: bool = True


def remote(wanted: Wanted, hosts: Hosts, *, offline: bool) -> Iterator[Diagnosis]:
    """Look at each host; under `offline` none is asked."""
    yield from _authorities(wanted, hosts)
    if offline:
        yield Diagnosis(topic="network", subject="hosts", state=State.NOTE, text="not asked, as --offline wants it")
        return
    transport = Transport(hosts, _PATIENCE)
    try:
        access = Access(transport)
        looks: list[Callable[[], Iterable[Diagnosis]]] = [
            *(lambda name=name: _registry(name, access, writes=False) for name in wanted.images),
            *(lambda url=url: _file("archive", url, access) for url in wanted.archives),
            *(lambda url=url: _file("packages", url, access) for url in wanted.packages),
            *(lambda name=name: _registry(name, access, writes=True) for name in wanted.repositories),
        ]
        for found in parallel.each(lambda look: tuple(look()), looks, _WORKERS):
            yield from found if wanted.needed else map(_as_note, found)
    finally:
        transport.close()


def _as_note(found: Diagnosis) -> Diagnosis:
    return replace(found, state=State.NOTE) if found.state is State.MISSING else found


def _registry(name: str, access: Access, *, writes: bool) -> Iterator[Diagnosis]:
    """A registry's credentials, and whether it answers to them."""
    reference = Reference.parse(name)
    topic = "push" if writes else "image"
    try:
        credential = access.keyring.find(reference.registry, reference.repository, writes=writes)
        who = str(credential) if credential else "without a login"
        found = Registry(reference, access, reads=not writes).digest_of(reference.selector)
    except (Missing, RemoteFailed, InvalidFile) as problem:
        yield Diagnosis.of(topic, name, problem, needed=True)
        return
    if found is None and not writes:
        absent = RemoteFailed("the registry has no such image", hint="check name and tag, and the login")
        yield Diagnosis.of(topic, name, absent, needed=True)
        return
    hosts = access.transport.hosts
    asked = reference.registry
    if not writes:
        endpoint, _ = hosts.registry_for_reading(reference.registry, reference.repository)
        asked = endpoint.authority
    via = f", read from {asked}" if asked != reference.registry else ""
    yield Diagnosis(topic=topic, subject=name, state=State.OK, text=f"answers {who}{via}")


def _file(topic: str, url: str, access: Access) -> Iterator[Diagnosis]:
    """Whether a file is where it should be; of a folder only whether its host answers."""
    transport = access.transport
    try:
        there = transport.hosts.mirrored(Url.parse(url))
        credential = access.keyring.for_url(there.authority)
        headers = {"Authorization": credential.header} if credential else {}
        answer = transport.send(Request(method="HEAD", url=there, headers=headers), SMALL)
    except ImagekitError as problem:
        yield Diagnosis.of(topic, url, problem, needed=True)
        return
    via = f", read from {there.authority}" if there.authority != Url.parse(url).authority else ""
    if answer.status in _ABSENT and not url.endswith("/"):
        absent = RemoteFailed(f"{there.authority} has no such file", hint="check version and URL")
        yield Diagnosis.of(topic, url, absent, needed=True)
    else:
        yield Diagnosis(topic=topic, subject=url, state=State.OK, text=f"answers{via}")


def _authorities(wanted: Wanted, hosts: Hosts) -> Iterator[Diagnosis]:
    """Whom each host's certificate has to be from; hosts that trust the same are one line."""
    by_trust: dict[str, list[str]] = {}
    for name in dict.fromkeys(_names(wanted, hosts)):
        try:
            by_trust.setdefault(trusted(hosts.certificates(name)), []).append(name)
        except InvalidFile as problem:
            yield Diagnosis.of("certificates", name, problem, needed=True)
    for text, names in by_trust.items():
        yield Diagnosis(topic="certificates", subject=", ".join(names), state=State.OK, text=f"trusted: {text}")


def _names(wanted: Wanted, hosts: Hosts) -> Iterator[str]:
    """The hosts that are spoken to with TLS."""
    reads = (Reference.parse(name) for name in wanted.images)
    found = [hosts.registry_for_reading(item.registry, item.repository)[0] for item in reads]
    found += [hosts.registry(Reference.parse(name).registry) for name in wanted.repositories]
    yield from (item.authority for item in found if item.scheme == "https")
    mirrored = (hosts.mirrored(Url.parse(url)) for url in (*wanted.archives, *wanted.packages))
    yield from (url.authority for url in mirrored if url.scheme == "https")
