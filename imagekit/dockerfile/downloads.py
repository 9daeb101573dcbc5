"""What commands download with curl or wget: archives that are unpacked, and files by themselves."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Final

from imagekit.dockerfile.recipe import Copied, Recipe, placeholder, written
from imagekit.dockerfile.shell import MACHINE, Command
from imagekit.dockerfile.stages import State
from imagekit.dockerfile.words import Scope
from imagekit.values import dataclass

_ARCHIVE: Final = re.compile(r"\.(?:tar(?:\.(?:gz|xz|bz2|zst))?|tgz|txz|tbz2?|zip)(?:$|[?#])")
_OUTPUT: Final = {"curl": ("-o", "--output"), "wget": ("-O", "--output-document")}
#: Options that say more than what to fetch: who asks, with which headers or data.
_SAYS_MORE: Final = {
    "curl": re.compile(
        r"-[a-np-zA-NP-Z]*[HudXbFTnE].*|--(?:header|user|oauth2-bearer|netrc|cookie|request|data|form|cert|key)\b.*"
    ),
    "wget": re.compile(r"--(?:header|user|password|http-user|http-password|post-|body-|method|load-cookies|cert).*"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """A URL, with placeholders, its SHA-256 where that is said, and where the file is put: empty for stdout."""

    url: str
    path: str
    sha256: str = ""


class Downloads:
    """The downloads of a chain of stages until something is made of them."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._waiting: dict[str, tuple[Download, int, str]] = {}
        self._used: set[str] = set()

    def take(self, command: Command, state: State, line: int) -> bool:
        """Take over a command that downloads or unpacks; False for any other."""
        if len(command.pipe) == 2:
            return self._piped(command, state, line)
        if command.name in _OUTPUT:
            return self._downloaded(command, state, line)
        if command.name in {"tar", "unzip", "bsdtar"}:
            return self._unpacked(command, state, line)
        if command.name == "rm":
            paths = [state.path(_expand(word, state)) for word in command.arguments]
            return bool(paths) and all(self._forgets(path) for path in paths)
        return False

    def _forgets(self, path: str) -> bool:
        """True for a path that is not to be in the image, and will not be."""
        return self._waiting.pop(path, None) is not None or path in self._used or _is_cache(path)

    def fetch(self, download: Download, line: int, mode: str) -> None:
        """Note that a file is downloaded."""
        self._waiting[download.path] = (download, line, mode)

    def finish(self) -> None:
        """What was downloaded and stays as it is: a step of the build fetches it, and the file is copied."""
        for path, (download, line, options) in self._waiting.items():
            name = _bare(posixpath.basename(path))
            shell = download.url.replace(placeholder("oci_arch"), "$IMAGEKIT_OCI_ARCH")
            shell = shell.replace(placeholder("rpm_arch"), f"${MACHINE}")
            folder = 'build/"$IMAGEKIT_ARCHITECTURE"'
            run = f'mkdir -p {folder} && curl -fsSL -o {folder}/{name} "{shell}"'
            if download.sha256:
                run += f' && echo "{download.sha256}  {folder.replace(chr(34), "")}/{name}" | sha256sum --check'
            self._recipe.add("build", {"run": run}, line)
            item = {"source": f"build/{{architecture}}/{name}", "target": written(path)}
            self._recipe.files.append(Copied(line=line, item={**item, **({"mode": options} if options else {})}))
            if download.sha256:
                continue
            self._recipe.leave(
                line,
                f"{written(download.url)} is downloaded anew by a build step, and no checksum pins it",
                "add `sha256sum --check` to the step, or keep the file beside the spec",
            )
        self._waiting.clear()

    def mode(self, path: str, mode: str) -> bool:
        """Note the mode of a file that was downloaded; False when there is none at this path."""
        found = self._waiting.get(path)
        if found:
            self._waiting[path] = (found[0], found[1], mode)
        return found is not None

    def _downloaded(self, command: Command, state: State, line: int) -> bool:
        found = _download(command, state)
        if found is None or not found.path:
            return False
        self._waiting[found.path] = (found, line, "")
        return True

    def _piped(self, command: Command, state: State, line: int) -> bool:
        first, second = command.pipe
        found = _download(first, state) if first.name in _OUTPUT else None
        if found is None or found.path or second.name not in {"tar", "bsdtar"}:
            return False
        self._archive(found, second, state, line)
        return True

    def _unpacked(self, command: Command, state: State, line: int) -> bool:
        for word in command.arguments:
            path = state.path(_expand(word, state))
            if path in self._waiting:  # what was unpacked is wanted, not what it was packed in
                self._archive(self._waiting.pop(path)[0], command, state, line)
                self._used.add(path)
                return True
        return False

    def _archive(self, download: Download, command: Command, state: State, line: int) -> None:
        words = [_expand(word, state) for word in command.words]
        target = _value(words, ("-C", "--directory", "-d")) or state.directory
        item: dict[str, object] = {"source": written(download.url), "target": state.path(target).rstrip("/") or "/"}
        if download.sha256:
            item["sha256"] = download.sha256
        strip = _value(words, ("--strip-components", "--strip"))
        if strip.isdigit():
            item["strip"] = int(strip)
        self._recipe.add("archives", item, line)
        if not _ARCHIVE.search(download.url):
            self._recipe.leave(line, f"{command.text}: what is behind the URL", "check that it is a tar or zip archive")


def _bare(name: str) -> str:
    """A file's name without what differs from one architecture to the other."""
    return re.sub("\ue000[^\ue001]*\ue001", "", name)


def _is_cache(path: str) -> bool:
    """Folders that nothing of is in an image anyway."""
    return path.startswith(("/var/cache/", "/tmp/", "/root/.cache", "/var/tmp/"))


def _download(command: Command, state: State) -> Download | None:
    """What curl or wget fetches; None where that is not one URL."""
    try:
        words = [_expand(word, state) for word in command.words]
    except ValueError:
        return None
    urls = [word for word in words[1:] if word.startswith(("https://", "http://"))]
    if len(urls) != 1 or any(map(_SAYS_MORE[command.name].fullmatch, words[1:])):
        return None
    path = _value(words, _OUTPUT[command.name], joined=True)
    named = [
        word
        for word in command.options
        if command.name == "curl" and re.fullmatch(r"-[a-zA-Z]*O[a-zA-Z]*|--remote-name", word)
    ]
    if path == "-" or (not path and command.name == "curl" and not named):
        return Download(url=urls[0], path="")
    name = path or posixpath.basename(urls[0].partition("?")[0])
    return Download(url=urls[0], path=state.path(name)) if name else None


def _value(words: Sequence[str], names: Sequence[str], *, joined: bool = False) -> str:
    """An option's value: the next word, or what stands behind `=`. `joined`: short options may stand together."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        for name in names:
            if word == name:
                return following
            if word.startswith(f"{name}=") or (
                len(name) == 2 and word.startswith(name) and name == "-C" and len(word) > 2
            ):
                return word[len(name) :].lstrip("=")
            together = re.fullmatch(rf"-[a-zA-Z]*?{name[1]}(.*)", word) if joined and len(name) == 2 else None
            if together:
                return together[1] or following
    return ""


def _expand(word: str, state: State) -> str:
    """A word of a command, whose quotes are gone already; raises ValueError."""
    values = {MACHINE: placeholder("rpm_arch")}
    scope = Scope(value=lambda name: values.get(name) or state.value(name))
    return scope.expand(word.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'"))
