"""Commands that change accounts, alternatives, or single files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from imagekit.engines.native.accounts import Account, Group, Membership, User
from imagekit.engines.native.ledger.effects import (
    AddAccount,
    Alternative,
    Effect,
    MakeDirectory,
    MakeFile,
    MakeLink,
    NoAlternative,
    SetMode,
    SetOwner,
)
from imagekit.engines.native.ledger.situation import Call, Outcome
from imagekit.rootfs.entry import Kind

#: Folders whose contents an image does not keep, and which nobody misses.
_FLEETING: Final = ("/run/", "/var/run/", "/tmp/", "/var/tmp/", "/var/cache/", "/dev/", "/proc/", "/sys/")
#: The long options of useradd(8) that take a value.
_USERADD: Final = (
    "base-dir comment home-dir home expiredate inactive gid groups skel key password root prefix shell uid selinux-user"
)
_NUMBER: Final = re.compile(r"[0-9]{1,10}")
_OCTAL: Final = re.compile(r"[0-7]{3,4}")


def _groupadd(call: Call) -> Outcome:
    options, names = call.options("gKPpR", ("gid", "key", "password", "root", "prefix"))
    return _accounts([Group(name=_one(call, names), gid=_number(call, options, "g", "gid"))])


def _useradd(call: Call) -> Outcome:
    options, names = call.options(
        "bcdefgGkKpPRsuZ",
        _USERADD.split(),
    )
    name = _one(call, names)
    own = User(name=name)
    user = User(
        name=name,
        uid=_number(call, options, "u", "uid"),
        group=_option(options, "g", "gid"),
        gecos=_option(options, "c", "comment"),
        home=_option(options, "d", "home-dir", "home") or f"/home/{name}",
        shell=_option(options, "s", "shell") or own.shell,
        groups=tuple(part for part in _option(options, "G", "groups").split(",") if part),
    )
    made = _accounts([user])
    if not {"m", "create-home"} & options.keys():
        return made
    home = MakeDirectory(path=call.path(user.home), mode=0o700, user=name, group=user.group or name)
    return Outcome(label=made.label, effects=(*made.effects, home))


def _usermod(call: Call) -> Outcome:
    options, names = call.options("G", ("groups",))
    if not set(options) <= {"a", "append", "G", "groups"} or not {"a", "append"} & set(options):
        raise call.refuse("changes more of a user than its groups")
    name = _one(call, names)
    groups = [part for part in _option(options, "G", "groups").split(",") if part]
    return _accounts([Membership(user=name, group=group) for group in groups])


def _gpasswd(call: Call) -> Outcome:
    options, names = call.options("a", ("add",))
    user = _option(options, "a", "add")
    if not user:
        raise call.refuse("changes more of a group than its members")
    return _accounts([Membership(user=user, group=_one(call, names))])


def _accounts(accounts: list[Account]) -> Outcome:
    """Accounts are only added where they are missing, so that it does not matter whether this is reached."""
    return Outcome(label="accounts", effects=tuple(AddAccount(account=account) for account in accounts))


def _alternatives(call: Call) -> Outcome:
    call.must_be_certain()
    words = list(call.arguments)
    match words[:1]:
        case ["--install"] if len(words) >= 5:
            return Outcome(label="alternatives", effects=(_installed(call, words),))
        case ["--remove" | "--del"] if len(words) == 3:
            return Outcome(label="alternatives", effects=(NoAlternative(name=words[1], path=call.path(words[2])),))
        case _:
            raise call.refuse("does more than to add or remove an alternative")


def _installed(call: Call, words: list[str]) -> Alternative:
    _, link, name, path, priority, *rest = words
    family, followers = "", []
    while rest:
        match rest:
            case ["--slave" | "--follower", follower, follower_name, follower_path, *rest]:
                followers.append((call.path(follower), follower_name, call.path(follower_path)))
            case ["--family", family, *rest]:
                pass
            case ["--initscript", _, *rest] | ["--keep-missing" | "--keep-foreign", *rest]:
                pass
            case _:
                raise call.refuse("has an option that is not known")
    if not _NUMBER.fullmatch(priority):
        raise call.refuse("has no number for its priority")
    return Alternative(
        link=call.path(link),
        name=name,
        path=call.path(path),
        priority=int(priority),
        family=family,
        followers=tuple(followers),
    )


def _mkdir(call: Call) -> Outcome:
    options, words = call.options("mZ", ("mode", "context"))
    mode = _mode(call, _option(options, "m", "mode"), 0o755)
    return _files(call, (MakeDirectory(path=path, mode=mode) for path in _lasting(call, words)))


def _install(call: Call) -> Outcome:
    options, words = call.options("mog", ("mode", "owner", "group"))
    if not {"d", "directory"} & set(options):
        raise call.refuse("copies files")
    mode = _mode(call, _option(options, "m", "mode"), 0o755)
    user, group = _option(options, "o", "owner"), _option(options, "g", "group")
    effects: list[Effect] = []
    for path in _lasting(call, words):
        effects.append(MakeDirectory(path=path, mode=mode))
        if user or group:
            effects.append(SetOwner(path=path, user=user, group=group))
    return _files(call, effects)


def _touch(call: Call) -> Outcome:
    if any(value.text in {"--no-create", "-c"} for value in call.values):
        return Outcome(label="caches")
    _, words = call.options("dtr", ("date", "reference", "time"))
    return _files(call, (MakeFile(path=path) for path in _lasting(call, words)))


def _ln(call: Call) -> Outcome:
    options, words = call.options("t", ("target-directory",))
    if not {"s", "symbolic"} & set(options) or len(words) != 2 or {"t", "r", "b"} & set(options):
        raise call.refuse("is no symlink from one path to another")
    path = call.path(words[1])
    if call.situation.kind(path) is Kind.DIRECTORY:
        path = f"{path}/{words[0].rstrip('/').rpartition('/')[2]}"
    return _files(call, [MakeLink(path=path, target=words[0], replaces=bool({"f", "force"} & set(options)))])


def _chmod(call: Call) -> Outcome:
    if call.arguments[:1] and call.arguments[0].startswith("-"):
        raise call.refuse("changes a whole folder")
    mode, *words = call.arguments or ("",)
    return _files(call, (SetMode(path=path, mode=_mode(call, mode, None)) for path in _lasting(call, words)))


def _chown(call: Call) -> Outcome:
    options, words = call.options()
    if not set(options) <= {"h", "f"} or len(words) < 2:
        raise call.refuse("changes a whole folder")
    user, _, group = words[0].replace(".", ":", 1).partition(":")
    return _files(call, (SetOwner(path=path, user=user, group=group) for path in _lasting(call, words[1:])))


def _chgrp(call: Call) -> Outcome:
    options, words = call.options()
    if options or len(words) < 2:
        raise call.refuse("changes a whole folder")
    return _files(call, (SetOwner(path=path, group=words[0]) for path in _lasting(call, words[1:])))


def _rm(call: Call) -> Outcome:
    """What is not there need not be removed; what is fleeting is nobody's loss."""
    for value in call.values:
        if value.text is None:
            raise call.refuse("removes what only running it would tell")
        if value.text.startswith("-") or value.text.startswith(_FLEETING):
            continue
        path = call.path(value.text)
        there = call.situation.matching(path) if value.is_pattern else call.situation.kind(path)
        if there:
            raise call.refuse("removes what is in the image")
    return Outcome(label="files")


def _mv(call: Call) -> Outcome:
    _, words = call.options()
    if any(call.situation.kind(call.path(word)) for word in words[:-1]):
        raise call.refuse("moves what is in the image")
    return Outcome(label="files", status=False)


def _files(call: Call, effects: Iterator[Effect] | list[Effect]) -> Outcome:
    found = tuple(effects)
    if found:
        call.must_be_certain()
    return Outcome(label="files", effects=found)


def _lasting(call: Call, words: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """The paths, less those that an image does not keep."""
    return tuple(path for path in call.paths(words) if not f"{path}/".startswith(_FLEETING))


def _one(call: Call, names: tuple[str, ...]) -> str:
    if len(names) != 1:
        raise call.refuse("does not name one account")
    return names[0]


def _option(options: Mapping[str, str], *names: str) -> str:
    return next((options[name] for name in names if name in options), "")


def _number(call: Call, options: Mapping[str, str], *names: str) -> int | None:
    text = _option(options, *names)
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise call.refuse("has no number where one should be")
    return int(text)


def _mode(call: Call, text: str, default: int | None) -> int:
    if not text and default is not None:
        return default
    if not _OCTAL.fullmatch(text):
        raise call.refuse("has a mode that is not in octal")
    return int(text, 8)


COMMANDS: Final[Mapping[str, Callable[[Call], Outcome]]] = {
    "groupadd": _groupadd,
    "useradd": _useradd,
    "adduser": _useradd,
    "usermod": _usermod,
    "gpasswd": _gpasswd,
    "alternatives": _alternatives,
    "update-alternatives": _alternatives,
    "mkdir": _mkdir,
    "install": _install,
    "touch": _touch,
    "ln": _ln,
    "chmod": _chmod,
    "chown": _chown,
    "chgrp": _chgrp,
    "rm": _rm,
    "rmdir": _rm,
    "unlink": _rm,
    "mv": _mv,
}
