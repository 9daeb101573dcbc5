"""COPY and ADD as items of `files` and `archives`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from imagekit.dockerfile.downloads import Download, Downloads
from imagekit.dockerfile.recipe import Copied, Recipe, plain, written
from imagekit.dockerfile.stages import State
from imagekit.dockerfile.surroundings import Kind, Surroundings
from imagekit.dockerfile.syntax import Heredoc, Instruction
from imagekit.values import dataclass

ARCHIVE: Final = re.compile(r"\.(?:tar(?:\.(?:gz|xz|bz2|zst))?|tgz|txz|tbz2?)$")
#: Names that a text of the Dockerfile may be written under beside the spec; the spec's own are none.
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_OURS: Final = frozenset({"runtime.yaml", "runtime.lock"})
_CHECKSUM: Final = re.compile(r"sha256:([0-9a-fA-F]{64})")
#: A repository of Git, of which builders make a folder.
_GIT: Final = re.compile(r"\.git(?:[?#].*)?$")
GLOB: Final = re.compile(r"[*?\[]")
#: What a step of the build may leave in the context, for the image and not for a copy of the whole context.
BUILD: Final = "build"


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What a COPY or ADD names: sources as they are written, the target in the image, a folder where it ends in `/`."""

    sources: tuple[str, ...]
    target: str

    @classmethod
    def of(cls, one: Instruction, state: State, folders: Callable[[str], bool]) -> Parts:
        """Out of an instruction; raises ValueError."""
        words = [state.scope.expand(word) for word in one.words] if one.words else state.scope.words(one.text)
        if len(words) < 2:
            raise ValueError(f"{one.name} takes a source and a target")
        *sources, target = words
        path = state.path(target)
        if not path.endswith("/") and (len(sources) > 1 or folders(path) or any(map(GLOB.search, sources))):
            path += "/"
        return cls(sources=tuple(sources), target=path)


class Copies:
    """Takes over what one stage copies into the image."""

    def __init__(self, recipe: Recipe, around: Surroundings, downloads: Downloads, folders: set[str]) -> None:
        self._recipe = recipe
        self._around = around
        self._downloads = downloads
        self._folders = folders

    def parts(self, one: Instruction, state: State) -> Parts:
        """The sources and the target; raises ValueError."""
        parts = Parts.of(one, state, lambda path: path in self._folders)
        if parts.target.endswith("/"):
            self._folders.add(parts.target.rstrip("/") or "/")
        return parts

    def take(self, one: Instruction, parts: Parts) -> None:
        """Everything that comes out of the context, from a URL, or is written in the Dockerfile itself."""
        texts = {heredoc.name: heredoc for heredoc in one.heredocs}
        for source in parts.sources:
            if source.startswith("<<"):
                self._text(one, texts.get(source.lstrip("<-")), parts.target)
            elif "://" in source or source.startswith("git@"):
                self._fetched(one, source, parts.target)
            else:
                self._local(one, source, parts.target)

    def place(self, one: Instruction, item: dict[str, Any]) -> None:
        """Add an item of `files`, with what the flags say."""
        mode = mode_of(one.flag("chmod"))
        excludes = [value for name, value in one.flags if name == "exclude"]
        made = {**item, **({"mode": mode} if mode else {})}
        if excludes:
            made["exclude"] = [*made.get("exclude", ()), *(f"/{pattern.lstrip('/')}" for pattern in excludes)]
        self._recipe.files.append(Copied(line=one.line, item=made))
        owner = one.flag("chown")
        if owner and owner.partition(":")[0] not in {"root", "0"}:
            self._recipe.leave(
                one.line,
                f"--chown={owner}",
                "files are root's, readable and executable for all, which is all that Lambda's user needs",
            )
        if any(name == "parents" for name, _ in one.flags):
            self._recipe.leave(one.line, "--parents", "give each item of `files` the target that it shall have")

    def _local(self, one: Instruction, source: str, target: str) -> None:
        path = posixpath.normpath(source.lstrip("/") or ".")
        if path.startswith("..") or not plain(path):
            self._recipe.leave(one.line, f"the source {written(source)}", "copy it into the folder of the spec")
            return
        if one.name == "ADD" and ARCHIVE.search(path):
            self._recipe.add("archives", {"source": written(path), "target": target.rstrip("/") or "/"}, one.line)
            return
        for item in self._items(one, path, target):
            self.place(one, item)

    def _items(self, one: Instruction, path: str, target: str) -> Iterator[dict[str, Any]]:
        folder, name = posixpath.split(path)
        if GLOB.search(folder):
            self._recipe.leave(one.line, f"the pattern {path}", "name the folders one by one under `files`")
        elif GLOB.search(name):
            yield {"source": written(folder or "."), "target": written(target), "include": [f"/{name}"]}
        else:
            kind = self._around.kind(path)
            if kind is Kind.NONE:
                self._recipe.leave(one.line, f"{path} is not in the folder", "put it there before the build")
            item: dict[str, Any] = {"source": written(path), "target": written(target)}
            exclude = self._around.excluded(path) if kind is Kind.FOLDER else ()
            if exclude and not self._around.is_plainly_ignored:
                self._recipe.leave(
                    one.line, "what .dockerignore takes back with `!`", "check `exclude`: it is read as a .gitignore is"
                )
            yield {**item, **({"exclude": list(exclude)} if exclude else {})}

    def _text(self, one: Instruction, heredoc: Heredoc | None, target: str) -> None:
        """A here-document becomes a file beside the spec."""
        if heredoc is None:
            return
        name = heredoc.name if target.endswith("/") else posixpath.basename(target)
        if (
            not _NAME.fullmatch(name)
            or name in _OURS
            or self._around.kind(name) is not Kind.NONE
            or name in self._recipe.texts
            or (heredoc.expands and "$" in heredoc.text)
        ):
            self._recipe.leave(
                one.line,
                f"the text of {name}, which the Dockerfile holds",
                f"write it to a file, and that under `files` with the target {target}",
            )
            return
        self._recipe.texts[name] = heredoc.text
        self.place(one, {"source": written(name), "target": written(target)})

    def _fetched(self, one: Instruction, url: str, target: str) -> None:
        if not url.startswith(("https://", "http://")) or _GIT.search(url):
            self._recipe.leave(
                one.line, f"ADD {written(url)}", "check it out beside the spec, and copy that with `files`"
            )
            return
        name = posixpath.basename(url.partition("?")[0])
        path = posixpath.join(target, name) if target.endswith("/") else target
        checksum = one.flag("checksum")
        pinned = _CHECKSUM.fullmatch(checksum)
        if checksum and not pinned:
            self._recipe.leave(one.line, f"--checksum={checksum}", "add `sha256sum --check` to the step")
        download = Download(url=url, path=path, sha256=pinned[1].lower() if pinned else "")
        self._downloads.fetch(download, one.line, mode_of(one.flag("chmod")))


def mode_of(text: str) -> str:
    """The mode that comes closest, empty for none: files are 0644 or 0755."""
    if not text:
        return ""
    digits = text.lstrip("0")
    executable = (
        any(int(digit, 8) & 1 for digit in digits)
        if digits.isdigit() and "8" not in digits and "9" not in digits
        else "x" in text
    )
    return "0755" if executable else "0644"
