"""Programs and libraries of an image that want a newer glibc than its operating system has: they do not start there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from imagekit.findings import Finding, Place, Severity
from imagekit.oci import canonical
from imagekit.plan.parts import ArchivePart, FilesPart, ImagePart, Part
from imagekit.rootfs.entry import shown
from imagekit.values import dataclass

if TYPE_CHECKING:
    from imagekit.rootfs.watched import Watch

CODE: Final = "IK0401"
#: More of them are one line.
_MOST: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One platform: what is started (a path of the image, or nothing), and of each layer its parts and its record."""

    architecture: str
    machine: str
    started: str
    layers: tuple[tuple[Sequence[Part], bytes], ...]


def record(watch: Watch) -> bytes:
    """What is to be kept of a layer for `findings`."""
    wanted = {path: [one.version, one.symbol] for path, one in watch.found.items()}
    return canonical.to_bytes({"wanted": wanted, "brings": bool(watch.brings)})


def findings(platforms: Iterable[Judged], system: str, has: str) -> tuple[Finding, ...]:
    """What to say of them; an error for what is started, as nothing starts then. Who brings a glibc has reasons."""
    merged: dict[tuple[str, str, str], list[Judged]] = {}
    places: dict[str, Place | None] = {}
    for one in platforms:
        documents = [(parts, json.loads(kept)) for parts, kept in one.layers if kept]
        if any(document["brings"] for _, document in documents):
            continue
        for parts, document in documents:
            for path, (version, symbol) in document["wanted"].items():
                if _numbers(version) > _numbers(has):
                    merged.setdefault((path, version, symbol), []).append(one)
                    places.setdefault(path, _place(parts, path))
    told = [_finding(key, ones, f"{system} has {has}", places[key[0]], has) for key, ones in merged.items()]
    errors = [one for one in told if one.severity is Severity.ERROR]
    warnings = [one for one in told if one.severity is not Severity.ERROR]
    return (*errors, *warnings[:_MOST], *_rest(warnings[_MOST:]))


def sentence(version: str, symbol: str, there: str) -> str:
    """What a file wants, and that it is not there."""
    for_what = f" for `{symbol}`" if symbol else ""
    return f"needs glibc {version}{for_what}, and {there}"


def advice(machine: str, has: str) -> str:
    """The ways out; `machine` is what compilers call the architecture."""
    return (
        f"link it statically (Go: CGO_ENABLED=0), compile it against glibc {has} (`zig cc -target "
        f"{machine}-linux-gnu.{has}`, `cargo zigbuild --target {machine}-unknown-linux-gnu.{has}`), or build it on "
        "that system or an older one"
    )


def _finding(key: tuple[str, str, str], ones: Sequence[Judged], there: str, place: Place | None, has: str) -> Finding:
    path, version, symbol = key
    is_started = any(one.started.strip("/") == path for one in ones)
    where = " and ".join(one.architecture for one in ones)
    return Finding(
        code=CODE,
        severity=Severity.ERROR if is_started else Severity.WARNING,
        message=f"{shown('/' + path)} for {where} {sentence(version, symbol, there)}",
        hint=advice(ones[0].machine, has),
        place=place,
    )


def _rest(warnings: Sequence[Finding]) -> Iterator[Finding]:
    if warnings:
        yield Finding(
            code=CODE,
            severity=Severity.WARNING,
            message=f"{len(warnings)} more files need a newer glibc than the operating system has",
            hint=warnings[0].hint,
            place=warnings[0].place,
        )


def _place(parts: Sequence[Part], path: str) -> Place | None:
    """Where the spec asks for the part that a path is of: the one that goes nearest to it."""
    targets: Mapping[str, Place | None] = {
        part.target.strip("/"): part.place for part in parts if isinstance(part, FilesPart | ArchivePart | ImagePart)
    }
    above = [target for target in targets if not target or f"{path}/".startswith(f"{target}/")]
    return targets[max(above, key=len)] if above else next(iter(targets.values()), None)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
