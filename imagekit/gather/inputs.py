"""One platform's inputs: its files scanned, its archives named, its base read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Final

from imagekit.errors import BuildFailed, ImagekitError, InvalidFile
from imagekit.findings import Place
from imagekit.gather import dependencies, paths, runtime_client
from imagekit.gather.dependencies import Installation
from imagekit.gather.memory import Memory
from imagekit.gather.packages import Known, Packages
from imagekit.gather.runtime_client import BOOTSTRAP
from imagekit.gather.trust import Trust
from imagekit.language import Language
from imagekit.lock import LockedImage, LockedPlatform
from imagekit.oci.digest import Digest
from imagekit.oci.image import Image
from imagekit.oci.ports import Cache
from imagekit.plan.inputs import Inputs
from imagekit.plan.parts import ArchivePart, FilesPart, ImagePart
from imagekit.rootfs import disk
from imagekit.rootfs.base_layout import BaseLayout
from imagekit.rootfs.entry import Item
from imagekit.rootfs.executable import Executable
from imagekit.rootfs.patterns import Patterns
from imagekit.rootfs.scan import Selection, scan
from imagekit.rootfs.tree import Tree
from imagekit.rootfs.walk import ALWAYS_OUT
from imagekit.spec.bootstrap import Client
from imagekit.spec.model import FromDisk
from imagekit.spec.platform import PlatformArchive, PlatformFromImage, PlatformProgram, PlatformSpec
from imagekit.values import dataclass

_SPLITS: Final = "split"
_PROGRAMS: Final = "program"
#: The digest of no files at all.
_NOTHING: Final = Tree.from_nodes(()).digest


@dataclass(frozen=True, kw_only=True, slots=True)
class OnDisk:
    """Where the files of a part lie. `folders` are those of dependencies; `inside` chooses them, or all the rest."""

    path: str
    tree: Tree
    folders: tuple[str, ...] = ()
    inside: bool | None = None

    def items(self, target: str, mode: int | None, *, single: bool) -> Iterator[Item]:
        """As entries of a layer; contents are read as they are asked for."""
        tree = self.tree
        if self.inside is not None:
            within, rest = tree.split(self.folders)
            tree = within if self.inside else rest
        if single:
            return disk.from_file(tree, self.path, target, mode=mode)
        return disk.from_folder(tree, self.path, target, mode=mode)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathered:
    """The inputs, and where what they name by digest lies on this disk."""

    inputs: Inputs
    files: Mapping[FilesPart, OnDisk] = field(default_factory=dict)
    archives: Mapping[Digest, str] = field(default_factory=dict)
    packages: Packages | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Gatherer:
    """What gathering asks: the cache, the time (Unix, nanoseconds), and whether steps have made their files already.

    `left_out` are files that never get into an image: the spec, what it extends, its lock. `scratch` is the folder that
    dependencies are installed in. `database` tells the kind of a base's RPM database.
    """

    cache: Cache
    now_ns: Callable[[], int]
    language: Language
    left_out: frozenset[str]
    is_built: bool
    scratch: Path
    database: Callable[[LockedImage, Image], str]
    static_only: bool = False
    trust: Trust = field(default_factory=Trust)
    #: What was scanned for one platform is not scanned again for the next: nothing runs in between.
    scanned: dict[tuple[str, Patterns], Tree] = field(default_factory=dict)

    def gather(self, spec: PlatformSpec, locked: LockedPlatform, base: Image | None, layout: BaseLayout) -> Gathered:
        """Look at all that the spec names on this disk; raises InvalidFile, or BuildFailed for what was built."""
        found: dict[FilesPart, OnDisk] = {}
        local: dict[Digest, str] = {}
        start = spec.bootstrap
        files, third_party = self._files(spec, found)
        known = Known(authorities=self.trust.authorities, database=self.database)
        packages = Packages.of(spec, locked, base, known) if base else None
        inputs = Inputs(
            base=base,
            layout=layout,
            packages=packages.part if packages else None,
            bootstrap=self._bootstrap(spec, start, found) if isinstance(start, PlatformProgram) else None,
            client=runtime_client.part(spec, start, self.language) if isinstance(start, Client) else None,
            files=files,
            dependencies=third_party,
            archives=tuple(self._archive(spec, item, locked, local) for item in spec.archives),
            images=tuple(_image(item, locked) for item in spec.files if isinstance(item, PlatformFromImage)),
            certificates=self.trust.bundle,
        )
        return Gathered(inputs=inputs, files=found, archives=local, packages=packages)

    def digest_of(self, folder: Path, patterns: tuple[str, ...], root: str) -> Digest:
        """The digest of the files below a folder that match: what says whether a step has to run again."""
        return self.tree_of(folder, patterns, (), root).digest

    def tree_of(self, folder: Path, include: tuple[str, ...], exclude: tuple[str, ...], root: str) -> Tree:
        """The files below a folder that match, now."""
        return self._scan_now(str(folder), root, Patterns(include=include, exclude=exclude), None)

    def _bootstrap(self, spec: PlatformSpec, bootstrap: PlatformProgram, found: dict[FilesPart, OnDisk]) -> FilesPart:
        part = FilesPart(
            source=bootstrap.path, target=BOOTSTRAP, digest=None, single=True, mode=0o755, place=bootstrap.place
        )
        if spec.build and not self.is_built:
            return part
        try:
            path = paths.local(spec.root, bootstrap.path, bootstrap.place)
        except InvalidFile as error:
            raise self._not_made(spec, bootstrap, error) from error
        if path.is_dir():
            raise InvalidFile(
                f"{bootstrap.path} is a folder, not a program", hint="name the program in it", place=bootstrap.place
            )
        tree = self._scan(str(path), spec.root, Patterns(), bootstrap.place)
        self._check_program(spec, bootstrap, path, tree)
        part = replace(part, digest=tree.digest)
        found[part] = OnDisk(path=str(path), tree=tree)
        return part

    def _not_made(self, spec: PlatformSpec, bootstrap: PlatformProgram, error: InvalidFile) -> ImagekitError:
        if not spec.build:
            return error
        return BuildFailed(
            f"the build for {spec.architecture} ended well but left no {bootstrap.path}",
            hint='write the program to "$IMAGEKIT_OUTPUT", or correct `bootstrap: {path: …}`',
            place=bootstrap.place,
        )

    def _check_program(self, spec: PlatformSpec, bootstrap: PlatformProgram, path: Path, tree: Tree) -> None:
        """Raise for a bootstrap that Lambda could not start; what was found good is remembered by its content."""
        key = f"{tree.digest} {spec.architecture} {self.static_only}"
        if self.cache.record(_PROGRAMS, key) is not None:
            return
        with path.open("rb") as file:
            found = Executable.read(file)
        problem = found.problem(spec.architecture, static_only=self.static_only, is_built=bool(spec.build))
        if problem:
            failed = BuildFailed if spec.build else InvalidFile
            raise failed(f"{bootstrap.path} {problem[0]}", hint=problem[1], place=bootstrap.place)
        self.cache.keep(_PROGRAMS, key, b"good")

    def _files(
        self, spec: PlatformSpec, found: dict[FilesPart, OnDisk]
    ) -> tuple[tuple[FilesPart, ...], tuple[FilesPart, ...]]:
        """The parts from disk, and those of their dependency folders."""
        rest: list[FilesPart] = []
        third_party: list[FilesPart] = []
        wanted = dependencies.find(spec, self.language, self.scratch)
        if wanted:
            third_party.extend(self._installed(wanted, found))
        for item in spec.files:
            if not isinstance(item, FromDisk):
                continue
            if spec.build and not self.is_built and not os.path.lexists(os.path.join(spec.root, item.source)):
                rest.append(
                    FilesPart(source=item.source, target=item.target, digest=None, mode=item.mode, place=item.place)
                )
                continue
            for part, on_disk in self._parts(spec, wanted.less(item) if wanted else item):
                found[part] = on_disk
                (third_party if self._is_dependency(on_disk) else rest).append(part)
        return tuple(rest), tuple(third_party)

    def _installed(self, wanted: Installation, found: dict[FilesPart, OnDisk]) -> Iterator[FilesPart]:
        """What an installation left; nothing where there was nothing to install."""
        part = FilesPart(source=wanted.how.manifest, target=wanted.target, digest=None, place=wanted.place)
        if not self.is_built:
            yield part
            return
        folder = str(wanted.output)
        tree = self._scan(folder, folder, Patterns(), wanted.place)
        if tree.digest != _NOTHING:
            part = replace(part, digest=tree.digest)
            found[part] = OnDisk(path=folder, tree=tree)
            yield part

    def _parts(self, spec: PlatformSpec, item: FromDisk) -> Iterator[tuple[FilesPart, OnDisk]]:
        """An item's parts: one, or two where it holds dependency folders; none for an empty folder."""
        path = str(paths.local(spec.root, item.source, item.place))
        self._check_wanted(path, spec, item)
        tree = self._scan(path, spec.root, Patterns(include=item.include, exclude=item.exclude), item.place)
        single = not os.path.isdir(path)
        if tree.digest == _NOTHING and item.include:
            raise InvalidFile(f"`include` matches no file in {item.source}", place=item.place)
        for digest, inside in self._split(path, tree):
            if digest != _NOTHING:
                part = FilesPart(
                    source=item.source,
                    target=_target(item, path),
                    digest=digest,
                    single=single,
                    mode=item.mode,
                    place=item.place,
                )
                yield part, OnDisk(path=path, tree=tree, folders=self.language.dependency_folders, inside=inside)

    def _check_wanted(self, path: str, spec: PlatformSpec, item: FromDisk) -> None:
        """Raise InvalidFile for what never goes into an image, though a spec names it."""
        names = os.path.relpath(path, os.path.realpath(spec.root)).split("/")
        if not ALWAYS_OUT.isdisjoint(names) or path in map(os.path.realpath, self.left_out):
            raise InvalidFile(
                f"{item.source} never goes into an image",
                hint="the spec, its lock, .git and .imagekit stay out; name something else, or a copy",
                place=item.place,
            )

    def _is_dependency(self, on_disk: OnDisk) -> bool:
        """True for what a split found, and for a folder that was named itself."""
        is_named = os.path.basename(on_disk.path) in self.language.dependency_folders and os.path.isdir(on_disk.path)
        return is_named if on_disk.inside is None else on_disk.inside

    def _split(self, path: str, tree: Tree) -> tuple[tuple[Digest, bool | None], ...]:
        """The digests of a tree's parts: its dependency folders and the rest, or all of it when it has none."""
        folders = tuple(name for name in self.language.dependency_folders if os.path.isdir(os.path.join(path, name)))
        if not folders:
            return ((tree.digest, None),)
        key = " ".join([str(tree.digest), *self.language.dependency_folders])
        kept = self.cache.record(_SPLITS, key)
        if kept is None:
            within, rest = tree.split(self.language.dependency_folders)
            kept = f"{within.digest} {rest.digest}".encode()
            self.cache.keep(_SPLITS, key, kept)
        inside, outside = (Digest.parse(text) for text in kept.decode().split())
        return ((inside, True), (outside, False))

    def _archive(
        self, spec: PlatformSpec, item: PlatformArchive, locked: LockedPlatform, local: dict[Digest, str]
    ) -> ArchivePart:
        known = locked.archives.get(item.source)
        if known:
            return _archive_part(item, known.digest, known.size)
        path = paths.local(spec.root, item.source, item.place)
        node = self._scan(str(path), spec.root, Patterns(), item.place).nodes[0]
        if node.digest is None:
            raise InvalidFile(
                f"{item.source} is not a file", hint="`archives` takes archives, `files` folders", place=item.place
            )
        _check_sum(item, node.digest)
        local[node.digest] = str(path)
        return _archive_part(item, node.digest, node.size)

    def _scan(self, path: str, root: str, patterns: Patterns, place: Place | None = None) -> Tree:
        key = path, patterns
        if key not in self.scanned:
            self.scanned[key] = self._scan_now(path, root, patterns, place)
        return self.scanned[key]

    def _scan_now(self, path: str, root: str, patterns: Patterns, place: Place | None) -> Tree:
        selection = Selection(path=path, root=root, patterns=patterns, left_out=self.left_out)
        try:
            return scan(selection, Memory(cache=self.cache), now_ns=self.now_ns())
        except InvalidFile as error:
            raise InvalidFile(error.message, hint=error.hint, place=error.place or place) from error


def _target(item: FromDisk, path: str) -> str:
    """A folder's contents go into the target; a file goes into a target that ends in `/`, else becomes it."""
    if item.target.endswith("/") and not os.path.isdir(path):
        return item.target + os.path.basename(item.source)
    return item.target


def _archive_part(item: PlatformArchive, digest: Digest, size: int) -> ArchivePart:
    return ArchivePart(
        source=item.source, target=item.target, digest=digest, size=size, strip=item.strip, place=item.place
    )


def _image(item: PlatformFromImage, locked: LockedPlatform) -> ImagePart:
    return ImagePart(
        source=item.image,
        path=item.source,
        target=item.target,
        digest=locked.images[item.image].manifest,
        mode=item.mode,
        include=item.include,
        exclude=item.exclude,
        place=item.place,
    )


def _check_sum(item: PlatformArchive, digest: Digest) -> None:
    if item.sha256 and item.sha256 != digest.hex:
        from imagekit.errors import WrongChecksum

        raise WrongChecksum(f"{item.source} has the sha256 {digest.hex}, the spec says {item.sha256}", place=item.place)
