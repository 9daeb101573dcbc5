"""alternatives(8) of chkconfig: which of several programs a name stands for, as files and symlinks.

/usr/bin/NAME -> /etc/alternatives/NAME -> the program;  /var/lib/alternatives/NAME says what there is to choose
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import Final, Self

from imagekit.engines.native.ledger.effects import Alternative, NoAlternative
from imagekit.errors import BuildFailed
from imagekit.rootfs.entry import shown
from imagekit.values import dataclass

LINKS: Final = "etc/alternatives"
STATE: Final = "var/lib/alternatives"
_PRIORITY: Final = re.compile(r"(?:@(?P<family>[^@]*)@)?(?P<priority>[0-9]{1,9})(?: +(?P<rest>.*))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One program with its priority; `followers` are the files that go with it, by their name."""

    path: str
    priority: int
    family: str = ""
    followers: Mapping[str, str] = field(default_factory=dict)
    #: What else stood behind the priority: an init script.
    rest: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """A name with its choices; `followers` are the links that go with it, by their name."""

    link: str
    is_automatic: bool = True
    followers: Mapping[str, str] = field(default_factory=dict)
    choices: tuple[Choice, ...] = ()

    @classmethod
    def from_text(cls, text: str, source: str) -> Self:
        """As /var/lib/alternatives has it (alternatives.c, readConfig); raises BuildFailed."""
        lines = iter(text.split("\n"))
        try:
            mode, link = next(lines), next(lines)
            followers: dict[str, str] = {}
            while name := next(lines):
                followers[name] = next(lines)
            choices = []
            while path := next(lines, ""):
                found = _PRIORITY.fullmatch(next(lines))
                if found is None:
                    raise ValueError("a priority is no number")
                choices.append(
                    Choice(
                        path=path,
                        priority=int(found["priority"]),
                        family=found["family"] or "",
                        followers={name: next(lines) for name in followers},
                        rest=found["rest"] or "",
                    )
                )
        except (StopIteration, RuntimeError, ValueError) as error:
            raise BuildFailed(
                f"the base's {source} is not what alternatives(8) writes", hint="mend it in the base, or use another"
            ) from error
        return cls(link=link, is_automatic=mode == "auto", followers=followers, choices=tuple(choices))

    def to_text(self) -> str:
        """As /var/lib/alternatives has it."""
        lines = ["auto" if self.is_automatic else "manual", self.link]
        for name, link in self.followers.items():
            lines += [name, link]
        lines.append("")
        for choice in self.choices:
            family = f"@{choice.family}@" if choice.family else ""
            lines += [choice.path, f"{family}{choice.priority}{' ' if choice.rest else ''}{choice.rest}"]
            lines += [choice.followers.get(name, "") for name in self.followers]
        return "\n".join([*lines, ""])

    @property
    def best(self) -> Choice | None:
        """The one of highest priority; among equals the first."""
        return max(self.choices, key=lambda choice: choice.priority, default=None)


class Alternatives:
    """All names, as effects change them; `read` gives what the base has under a path."""

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read
        self._names: dict[str, Name] = {}
        self._before: dict[str, Name] = {}

    def add(self, wanted: Alternative) -> None:
        """Another choice, in the place of an older one for the same program. Raises BuildFailed for another link."""
        known = self._name(wanted.name) or Name(link=wanted.link)
        if known.link != wanted.link:
            raise BuildFailed(
                f"the alternative {shown(wanted.name)} is {wanted.link}, and is to be {known.link} by another package"
            )
        followers = dict(known.followers) | {name: link for link, name, _ in wanted.followers}
        choice = Choice(
            path=wanted.path,
            priority=wanted.priority,
            family=wanted.family,
            followers={name: path for _, name, path in wanted.followers},
        )
        others = tuple(other for other in known.choices if other.path != wanted.path)
        self._names[wanted.name] = replace(known, followers=followers, choices=(*others, choice))

    def remove(self, wanted: NoAlternative) -> None:
        """One choice less; one that is not there is fine."""
        known = self._name(wanted.name)
        if known:
            left = tuple(other for other in known.choices if other.path != wanted.path)
            self._names[wanted.name] = replace(known, choices=left)

    def files(self) -> dict[str, bytes]:
        """The state of each name that changed, by path."""
        return {f"{STATE}/{key}": name.to_text().encode() for key, name in sorted(self._names.items()) if name.choices}

    def links(self) -> dict[str, str]:
        """The symlinks of each name that changed, by path."""
        found: dict[str, str] = {}
        for key, name in sorted(self._names.items()):
            best = name.best
            if best and name.is_automatic:
                found |= _pair(key, name.link, best.path)
                for follower, link in name.followers.items():
                    if best.followers.get(follower):
                        found |= _pair(follower, link, best.followers[follower])
        return found

    def gone(self) -> tuple[str, ...]:
        """What of the base is no longer there: names without a choice, and followers that the best one lacks."""
        paths: list[str] = []
        for key, before in self._before.items():
            now = self._names[key]
            if not now.choices:
                paths += [f"{STATE}/{key}", f"{LINKS}/{key}", before.link.lstrip("/")]
            best = now.best
            for follower, link in before.followers.items():
                if best is None or not best.followers.get(follower):
                    paths += [f"{LINKS}/{follower}", link.lstrip("/")]
        return tuple(paths)

    def _name(self, name: str) -> Name | None:
        if "/" in name or name in {"", ".", ".."}:
            raise BuildFailed(f"{shown(name)} can be the name of no alternative")
        if name not in self._names:
            path = f"{STATE}/{name}"
            text = self._read(path).decode("utf-8", "replace")
            if not text:
                return None
            self._before[name] = self._names[name] = Name.from_text(text, f"/{path}")
        return self._names[name]


def _pair(name: str, link: str, path: str) -> dict[str, str]:
    return {link.lstrip("/"): f"/{LINKS}/{name}", f"{LINKS}/{name}": path}
