"""What package managers really did, out of the RPM database that they left, held against what is locked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from imagekit.engines.native.incoming import Incoming
from imagekit.engines.native.installed import headers
from imagekit.errors import BuildFailed
from imagekit.facts import Database
from imagekit.rpm.header import Header
from imagekit.rpm.tag import SignatureTag, Tag

#: Keys, which package managers keep as if they were packages.
_KEY: Final = "gpg-pubkey"
_LISTED: Final = 10


def read(known: Database, data: bytes, log: bytes, source: str) -> dict[int, Header]:
    """The packages in a database of the same kind as the base's; raises BuildFailed for one that is damaged."""
    with TemporaryDirectory() as folder:
        file, beside = Path(folder, "database"), Path(folder, "log")
        file.write_bytes(data)
        beside.write_bytes(log)
        opened = replace(known, file=str(file), log_file=str(beside) if log else "", source=source)
        return dict(headers(opened))


def leaving(before: Mapping[int, Header], install: Sequence[Incoming], removed: Iterable[str]) -> dict[int, Header]:
    """The packages of the base that go: those that the lock names, and those that a new one is newer than."""
    names = {(one.name, one.package.header.text(Tag.ARCH)) for one in install}
    gone = set(removed)
    return {
        number: header
        for number, header in before.items()
        if str(header.nevra) in gone or (header.text(Tag.NAME), header.text(Tag.ARCH)) in names
    }


def check(
    before: Mapping[int, Header],
    after: Mapping[int, Header],
    install: Sequence[Incoming],
    removed: Iterable[str],
    who: str,
) -> None:
    """Raise BuildFailed where `who` did something else with the packages than is locked."""
    wanted = _names(before.values()) - _names(leaving(before, install, removed).values())
    wanted += Counter(one.nevra for one in install)
    found = _names(after.values())
    differences = {
        "installed": sorted((found - wanted) - _names(before.values())),
        "did not install": sorted((wanted - found) - _names(before.values())),
        "did not remove": sorted((found - wanted) & _names(before.values())),
        "removed": sorted((wanted - found) & _names(before.values())),
    }
    told = [f"{what} {_listed(names)}" for what, names in differences.items() if names]
    if told:
        raise BuildFailed(
            f"{who} did with the packages what the lock does not say: {'; '.join(told)}",
            hint="name under `packages`, `upgrade` and `remove` all that is to change, and run `imagekit lock`",
        )
    _check_contents(after, install, who)


def _check_contents(after: Mapping[int, Header], install: Sequence[Incoming], who: str) -> None:
    """What is installed under a name is the very package that is locked under it."""
    digests = {one.nevra: one.package.signature.text(SignatureTag.SHA256) for one in install}
    for header in after.values():
        expected, found = digests.get(str(header.nevra), ""), header.text(Tag.SHA256HEADER)
        if expected and found and expected != found:
            raise BuildFailed(
                f"{who} installed another {header.nevra} than the one that is locked",
                hint="see whether the base has other packages of this name",
            )


def _names(found: Iterable[Header]) -> Counter[str]:
    return Counter(str(header.nevra) for header in found if header.text(Tag.NAME) != _KEY)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
