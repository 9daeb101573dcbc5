"""Package managers' commands as what a spec says: install, remove, upgrade, and what needs no saying."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from imagekit.dockerfile.recipe import Recipe, placeholder, plain
from imagekit.dockerfile.shell import MACHINE, Command
from imagekit.dockerfile.words import Scope

RPM: Final = frozenset({"dnf", "microdnf", "yum", "dnf5", "tdnf"})
#: Others' managers: their packages have other names.
OTHERS: Final = frozenset({"apt-get", "apt", "apk", "zypper", "pacman", "aptitude", "dpkg", "rpm"})
_EXTRAS: Final = "amazon-linux-extras"
#: Options that take the next word as their value.
_WITH_VALUE: Final = frozenset(
    {"-c", "-d", "-e", "-x", "--releasever", "--installroot", "--enablerepo", "--disablerepo"}
)
_INSTALL: Final = frozenset({"install", "localinstall", "in", "reinstall"})
_UPGRADE: Final = frozenset({"upgrade", "update", "upgrade-minimal", "update-minimal"})
_REMOVE: Final = frozenset({"remove", "erase", "autoremove"})
#: Nothing of it stays in an image that imagekit makes.
_NOTHING: Final = frozenset({"clean", "makecache", "check-update", "repolist", "list", "info", "download"})
_WEAK: Final = re.compile(r"--setopt=\*?\.?install_weak_deps=(\w+)")


def install(command: Command, scope: Scope, recipe: Recipe, line: int) -> bool:
    """Take over a command of dnf, microdnf, yum or amazon-linux-extras; False for any other."""
    if command.name == _EXTRAS:
        _extras(command, recipe, line)
        return True
    if command.name not in RPM:
        return False
    try:
        words = [_expanded(word, scope) for word in command.words[1:]]
    except ValueError as error:
        recipe.leave(line, f"`{command.text}`: {error}", "name the packages under `packages`")
        return True
    options, names = _sorted(words)
    action, *rest = names or [""]
    _options(options, command, recipe, line)
    if action in _INSTALL:
        _install(rest, recipe, line)
    elif action in _REMOVE:
        _remove(rest, recipe, line)
    elif action in _UPGRADE:
        _upgrade(rest, options, recipe, line)
    elif action == "swap" and len(rest) == 2:
        _remove(rest[:1], recipe, line)
        _install(rest[1:], recipe, line)
    elif action not in _NOTHING:
        recipe.leave(
            line,
            f"`{command.text}`",
            "name what it installs under `packages`, one by one; groups and modules are no names",
        )
    return True


def _expanded(word: str, scope: Scope) -> str:
    return Scope(value=lambda name: placeholder("rpm_arch") if name == MACHINE else scope.value(name)).expand(
        word.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'")
    )


def _sorted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Options, with their values, and the rest."""
    options, names, waiting = [], [], ""
    for word in words:
        if waiting:
            options.append(f"{waiting}={word}")
            waiting = ""
        elif word in _WITH_VALUE:
            waiting = word
        elif word.startswith("-"):
            options.append(word)
        else:
            names.append(word)
    return options, names


def _options(options: Sequence[str], command: Command, recipe: Recipe, line: int) -> None:
    for option in options:
        weak = _WEAK.fullmatch(option)
        if weak and weak[1].lower() in {"1", "true", "yes"}:
            recipe.say("weak_dependencies", True, line)
        elif option in {"--nodocs", "--setopt=tsflags=nodocs"}:
            recipe.say("slim", True, line)
        elif option.startswith(("--enablerepo=", "--repo=", "--repofrompath=")):
            recipe.leave(
                line,
                f"`{option}` of `{command.text}`",
                "describe the package repository under `repositories`: its name, `baseurl` and `gpgkey`",
            )
        elif option.startswith(("--installroot", "--downloadonly")):
            recipe.leave(line, f"`{option}` of `{command.text}`", "check whether the image needs these packages at all")


def _install(names: Sequence[str], recipe: Recipe, line: int) -> None:
    for name in names:
        if not plain(name) and "://" not in name:
            recipe.leave(line, f"the package {name!r}", "name it once an architecture: {name: …, only: [arm64]}")
        elif name.startswith("/") and name.endswith(".rpm"):
            recipe.leave(line, f"the package file {name}", "name the file under `packages`, as ./path/to/it.rpm")
        elif name.startswith("@"):
            recipe.leave(line, f"the group {name}", "name its packages under `packages`, one by one")
        elif not plain(name):
            recipe.leave(line, f"the package {name!r}", "name its URL once an architecture, with `only`")
        else:
            recipe.drop("remove", name)
            recipe.add("packages", name, line)


def _remove(names: Sequence[str], recipe: Recipe, line: int) -> None:
    """What the Dockerfile itself installed before is not installed at all."""
    for name in names:
        if not recipe.drop("packages", name):
            recipe.add("remove", name, line)


def _upgrade(names: Sequence[str], options: Sequence[str], recipe: Recipe, line: int) -> None:
    if names:
        recipe.say("upgrade", list(names), line)
    else:
        recipe.say("upgrade", "security" if "--security" in options else "all", line)


def _extras(command: Command, recipe: Recipe, line: int) -> None:
    """A topic is a package repository; installing one installs packages that only it knows."""
    action, *topics = command.arguments or ("",)
    if action not in {"install", "enable"} or not topics:
        recipe.leave(line, f"`{command.text}`", "nothing is needed where it only lists")
        return
    for topic in topics:
        recipe.add("repositories", {"name": f"amazonlinux-extras-{topic}"}, line)
        if action == "install":
            recipe.leave(
                line,
                f"`{command.text}`: which packages the topic {topic} installs is not known here",
                "name them under `packages`; the topic's package repository is in `repositories` already",
            )
