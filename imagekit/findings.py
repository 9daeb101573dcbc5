"""What a rule reports: a stable code, a severity, a place, a sentence and a hint."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from imagekit.values import dataclass

#: Every code, once and for ever, with what it stands for. Families: 00 text, 01 spec, 02 base image and language,
#: 03 files on their way into the image, 04 the finished image.
CODES: dict[str, str] = {
    "IK0001": "the file cannot be read",
    "IK0002": "the text is not YAML",
    "IK0003": "a construct of YAML that a spec may not use",
    "IK0004": "a key is written twice",
    "IK0005": "the file is too large or too deeply nested",
    "IK0006": "`extends` goes in a circle",
    "IK0101": "an unknown key",
    "IK0102": "a key is missing",
    "IK0103": "a value of the wrong type",
    "IK0104": "a value that is not allowed",
    "IK0105": "an unknown placeholder",
    "IK0106": "an environment variable that Lambda reserves",
    "IK0107": "keys that do not go together",
    "IK0108": "an override that names no key",
    "IK0109": "a URL with credentials in it",
    "IK0110": "packages that are taken without a signature",
    "IK0111": "scriptlets of a package that the image does not have",
    "IK0112": "a package in different versions on the architectures",
    "IK0113": "package repositories at a release that nobody named",
    "IK0201": "an unknown language",
    "IK0202": "an unknown operating system",
    "IK0203": "the operating system is past its end of life",
    "IK0204": "the language is not available on this operating system",
    "IK0205": "the operating system has no packages",
    "IK0206": "a package repository without a place or a key",
    "IK0207": "a command that nothing brings into the image",
    "IK0208": "an interpreter that needs a newer glibc than the operating system has",
    "IK0209": "a build step in a base that is empty",
    "IK0301": "code that asks for packages which nothing names exactly",
    "IK0302": "something of a package that is not in the image as the package means it",
    "IK0303": "files of packages that Lambda's user cannot use",
    "IK0304": "packages that the image's own database does not know",
    "IK0401": "a program or library that needs a newer glibc than the operating system has",
    "IK0450": "bytes that are not those of their digest",
    "IK0451": "a size that is not the one in the descriptor",
    "IK0452": "a layer that does not unpack to its diff ID",
    "IK0453": "layers and diff IDs that differ in number",
    "IK0454": "media types that do not go together",
    "IK0455": "a layer that is not gzip",
    "IK0456": "a history that does not fit the layers",
    "IK0457": "a manifest that is too large for Lambda",
    "IK0458": "a platform that is missing, wrong or unknown to Lambda",
    "IK0459": "an image without a command",
    "IK0460": "a manifest, an index or a config that is missing or cannot be read",
    "IK0461": "layers that are too large for Lambda",
    "IK0462": "an index entry that is no image, or one too many for its platform",
}


class Severity(StrEnum):
    """How bad a finding is; errors stop, warnings are printed."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where in a text something is; line and column count from 1, `excerpt` is the whole line."""

    file: str
    line: int = 0
    column: int = 0
    excerpt: str = ""
    path: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that a rule reports."""

    code: str
    message: str
    severity: Severity = Severity.ERROR
    place: Place | None = None
    hint: str = ""

    def __str__(self) -> str:
        """The finding as a person reads it: place, sentence, the line with a caret, the hint."""
        where = f"{self.place}: " if self.place else ""
        lines = [f"{where}{self.severity}[{self.code}]: {self.message}"]
        if self.place and self.place.excerpt.strip():
            lines += _caret(self.place)
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, object]:
        """The finding as JSON, for machines."""
        place = self.place
        return {
            "code": self.code,
            "severity": str(self.severity),
            "message": self.message,
            "hint": self.hint,
            "file": place.file if place else None,
            "line": place.line if place else None,
            "column": place.column if place else None,
            "path": place.path if place else None,
        }


def _caret(place: Place) -> list[str]:
    """The line and a caret below the column; long lines are cut around it, tabs become spaces."""
    start = max(0, place.column - 60)
    text = place.excerpt[start : start + 120].replace("\t", " ").rstrip()
    gutter = f"  {place.line} | "
    return [gutter + text, " " * (len(gutter) + place.column - 1 - start) + "^"]


def errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that stop the work."""
    return tuple(finding for finding in findings if finding.severity is Severity.ERROR)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """By file, line, column, then code: the order in which they are shown."""
    return tuple(
        sorted(
            findings,
            key=lambda f: (str(f.place.file), f.place.line, f.place.column, f.code) if f.place else ("", 0, 0, f.code),
        )
    )
