"""Users and groups: the base's, and those that packages ask for by sysusers.d(5) or by useradd(8) and groupadd(8).

Ids are the same on every machine: the one that is asked for where it is free, else the highest free one below 1000, as
systemd-sysusers chooses. Passwords are locked and have no dates.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from imagekit.errors import BuildFailed
from imagekit.rootfs.entry import shown
from imagekit.values import dataclass

PASSWD: Final = "etc/passwd"
GROUP: Final = "etc/group"
SHADOW: Final = "etc/shadow"
GSHADOW: Final = "etc/gshadow"
#: Where packages say which accounts they need.
SYSUSERS: Final = "usr/lib/sysusers.d/"
_NOLOGIN: Final = "/sbin/nologin"
#: Ids of the system's own accounts that nobody gave a number (login.defs: SYS_UID_MIN and SYS_UID_MAX of Fedora).
_HIGHEST, _LOWEST = 999, 201
_MAX_ID: Final = (1 << 32) - 2
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?")
_LOCKED: Final = "!*"


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A group to have; without a number it gets the next free one."""

    name: str
    gid: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """A user to have. `group` is its primary one by name or number; left out, it has one of its own name."""

    name: str
    uid: int | None = None
    group: str = ""
    gecos: str = ""
    home: str = "/"
    shell: str = _NOLOGIN
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Membership:
    """A user to be in a group; both are made where they are missing."""

    user: str
    group: str


Account = Group | User | Membership


class Accounts:
    """The account files of an image as they grow; what is there already stays as it is."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """`files` are those of PASSWD, GROUP, SHADOW and GSHADOW that the base has."""
        self._before = {path: files[path] for path in (PASSWD, GROUP, SHADOW, GSHADOW) if path in files}
        self._lines = {path: _lines(data) for path, data in self._before.items()}
        self._users = self._ids(PASSWD)
        self._groups = self._ids(GROUP)

    def uid(self, name: str) -> int | None:
        """A user's number."""
        return self._users.get(name)

    def gid(self, name: str) -> int | None:
        """A group's number."""
        return self._groups.get(name)

    def add(self, account: Account) -> None:
        """Have a group, a user or a membership; raises BuildFailed for a name or number that cannot be."""
        match account:
            case Group():
                self._add_group(account)
            case User():
                self._add_user(account)
            case Membership():
                self._add_group(Group(name=account.group))
                self._add_user(User(name=account.user))
                self._join(account.user, account.group)

    def changed(self) -> dict[str, bytes]:
        """The files that are not as they were, by path."""
        return {
            path: "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
            for path, lines in self._lines.items()
            if lines != _lines(self._before.get(path, b""))
        }

    def _ids(self, path: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for line in self._lines.get(path, ()):
            fields = line.split(":")
            if len(fields) > 2 and (number := _number(fields[2])) is not None:
                found.setdefault(fields[0], number)
        return found

    def _add_group(self, group: Group) -> None:
        _check(group.name, group.gid)
        if group.name in self._groups:
            return
        gid = self._free(group.gid, self._groups.values())
        self._groups[group.name] = gid
        self._lines.setdefault(GROUP, []).append(f"{group.name}:x:{gid}:")
        if GSHADOW in self._lines:
            self._lines[GSHADOW].append(f"{group.name}:{_LOCKED}::")

    def _add_user(self, user: User) -> None:
        _check(user.name, user.uid, user.gecos, user.home, user.shell)
        if user.name not in self._users:
            gid = self._primary(user)
            taken = self._users.values()
            # A user and its own group have one number where they can, as systemd-sysusers and useradd have it.
            wanted = gid if user.uid is None and not user.group and gid not in taken else user.uid
            uid = self._free(wanted, taken)
            self._users[user.name] = uid
            line = f"{user.name}:x:{uid}:{gid}:{user.gecos}:{user.home}:{user.shell}"
            self._lines.setdefault(PASSWD, []).append(line)
            if SHADOW in self._lines:
                self._lines[SHADOW].append(f"{user.name}:{_LOCKED}:::::::")
        for group in user.groups:
            self._join(user.name, group)

    def _primary(self, user: User) -> int:
        """The number of a user's group."""
        if (number := _number(user.group)) is not None:
            return number
        name = user.group or user.name
        if name not in self._groups:
            wanted = user.uid
            if wanted is None:
                wanted = self._free(None, (*self._users.values(), *self._groups.values()))
            self._add_group(Group(name=name, gid=wanted))
        return self._groups[name]

    def _join(self, user: str, group: str) -> None:
        if group not in self._groups:
            raise BuildFailed(
                f"the user {shown(user)} is to be in the group {shown(group)}, which no package has",
                hint="add the package that has the group",
            )
        for path in self._lines.keys() & {GROUP, GSHADOW}:
            self._lines[path] = [_joined(line, user, group) for line in self._lines[path]]

    @staticmethod
    def _free(wanted: int | None, taken: Iterable[int]) -> int:
        used = set(taken)
        if wanted is not None and wanted not in used:
            return wanted
        for number in range(_HIGHEST, _LOWEST - 1, -1):
            if number not in used:
                return number
        raise BuildFailed(f"no number from {_LOWEST} to {_HIGHEST} is free for another account of the system")


def from_sysusers(data: bytes, source: str) -> Iterator[Account]:
    """What a file of sysusers.d(5) asks for; `source` is what messages call it. Raises BuildFailed."""
    for line in data.decode("utf-8", "replace").splitlines():
        words = _words(line, source)
        if not words or words[0] == "r":  # a range for numbers: ours stay within the system's own
            continue
        make = _TYPES.get(words[0].rstrip("!"))
        if make is None or len(words) < 2:
            raise BuildFailed(f"{source}: {shown(line)} is no line of sysusers.d", hint="the package is damaged")
        yield from make(words[1], (*("" if word == "-" else word for word in words[2:]), "", "", "", ""))


def _user(name: str, fields: tuple[str, ...]) -> Iterator[Account]:
    number, gecos, home, shell = fields[:4]
    uid, _, group = number.partition(":")
    yield User(
        name=name,
        uid=_number(uid),
        group=group,
        gecos=gecos,
        home=home or ("/root" if name == "root" else "/"),
        shell=shell or ("/bin/sh" if name == "root" else _NOLOGIN),
    )


def _group(name: str, fields: tuple[str, ...]) -> Iterator[Account]:
    yield Group(name=name, gid=_number(fields[0]))


def _membership(name: str, fields: tuple[str, ...]) -> Iterator[Account]:
    yield Membership(user=name, group=fields[0])


_TYPES: Final[Mapping[str, Callable[[str, tuple[str, ...]], Iterator[Account]]]] = {
    "u": _user,
    "g": _group,
    "m": _membership,
}


def _words(line: str, source: str) -> list[str]:
    if line.lstrip().startswith("#"):
        return []
    try:
        return shlex.split(line)
    except ValueError as error:
        raise BuildFailed(f"{source}: {shown(line)} is no line of sysusers.d ({error})") from error


def _number(text: str) -> int | None:
    """An id; a path, whose owner's it would be, is like none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else None


def _check(name: str, number: int | None, *fields: str) -> None:
    if not _NAME.fullmatch(name):
        raise BuildFailed(f"{shown(name)} can be the name of no user and no group")
    if number is not None and number > _MAX_ID:
        raise BuildFailed(f"the number {number} of {name} is too large for a user or a group")
    for field in fields:
        if re.search(r"[:\x00-\x1f\x7f]", field):
            raise BuildFailed(f"{shown(field)} of the user {name} cannot stand in /{PASSWD}")


def _joined(line: str, user: str, group: str) -> str:
    fields = line.split(":")
    if fields[0] != group or len(fields) < 4:
        return line
    members = [member for member in fields[3].split(",") if member]
    if user not in members:
        fields[3] = ",".join([*members, user])
    return ":".join(fields)


def _lines(data: bytes) -> list[str]:
    return [line for line in data.decode("utf-8", "surrogateescape").split("\n") if line]
