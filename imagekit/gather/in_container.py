"""A command at work in a container of the image's own architecture.

Files go to /imagekit/source, by their paths below the spec's `root`; only declared outputs come back. Secrets are files
of a file system in memory, and variables of the command alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from imagekit.architecture import Architecture
from imagekit.gather import host, outputs
from imagekit.gather.workshop import Workshop
from imagekit.lock import LockedImage
from imagekit.masking import Masked
from imagekit.rootfs import disk
from imagekit.rootfs.entry import Entry, Item, Kind
from imagekit.rootfs.tree import Tree
from imagekit.values import dataclass

if TYPE_CHECKING:
    from imagekit.containers.container import Container

_SOURCE: Final = "/imagekit/source"
_CACHE: Final = "/imagekit/cache"
_SECRETS: Final = "/run/secrets"
#: Bytes that the file system for secrets has beside what they need.
_ROOM: Final = 1 << 20
#: Whichever package manager the image has; arguments are the packages.
_INSTALL: Final = """
has() { command -v "$1" >/dev/null 2>&1; }
if has dnf; then dnf install -y --setopt=install_weak_deps=False "$@"
elif has microdnf; then microdnf install -y --setopt=install_weak_deps=0 "$@"
elif has yum; then yum install -y "$@"
elif has apt-get; then apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
elif has apk; then apk add --no-cache "$@"
elif has zypper; then zypper --non-interactive install --no-recommends "$@"
else echo "the image has no package manager that imagekit knows: dnf, microdnf, yum, apt-get, apk, zypper" >&2; exit 127
fi
"""
#: Writes what it is given: its length, the folder, the name.
_WRITE: Final = 'umask 077 && mkdir -p "$2" && head -c "$1" > "$2/$3"'


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What is to be done. `name` is the spec's, `root` and `directory` real paths of this disk, as `outputs` are.

    `tree` is what goes in of `directory`, `limit` is in seconds.
    """

    script: str
    title: str
    name: str
    architecture: Architecture
    root: Path
    directory: Path
    tree: Tree
    outputs: tuple[Path, ...]
    packages: tuple[str, ...]
    environment: Mapping[str, str]
    secrets: Mapping[str, str]
    limit: float
    image: LockedImage

    @property
    def identity(self) -> str:
        """What its cache is told apart by."""
        return "\0".join((str(self.root), self.name, self.title))

    def inside(self, path: Path) -> str:
        """Where something below `root` is in the container."""
        return os.path.normpath(f"{_SOURCE}/{os.path.relpath(path, self.root)}")


def run(job: Job, workshop: Workshop, say: Callable[[str], None]) -> None:
    """Do it, and put what comes out into its place.

    Raises BuildFailed with the end of the output, Missing, RemoteFailed.
    """
    from imagekit.containers.container import Form, container
    from imagekit.containers.owners import Owner
    from imagekit.containers.volumes import cache_volume

    engine = workshop.engines.engine()
    size = sum(len(value.encode("utf-8", "surrogateescape")) for value in job.secrets.values())
    form = Form(
        image=workshop.engines.image(job.image, job.architecture),
        architecture=job.architecture,
        volumes={_CACHE: cache_volume(engine, job.identity, f"{job.name}: {job.title}")},
        memory={_SECRETS: size + _ROOM} if job.secrets else {},
    )
    path = workshop.folder / "log" / f"{job.title.replace(' step ', '-')}.log"
    with host.opened(path) as file, container(engine, form, Owner.of_this_process()) as box:
        work = _Work(job, box, _Log(file, path, tuple(job.secrets.values())), say)
        work.prepare()
        work.command()
        outputs.bring(
            box,
            {job.inside(output): output for output in job.outputs},
            workshop.folder / "outputs" / job.name / job.title.replace(" step ", "-"),
            job.secrets,
        )


class _Log:
    """The log of a step, without its secrets."""

    def __init__(self, file: BinaryIO, path: Path, secrets: tuple[str, ...]) -> None:
        self.path = path
        self.write = Masked(file.write, secrets)
        self._file = file

    def settle(self) -> None:
        """What was written is in the file."""
        self.write.close()
        self._file.flush()


class _Work:
    """One container, from the first file in to the end of its command."""

    def __init__(self, job: Job, box: Container, log: _Log, say: Callable[[str], None]) -> None:
        self._job = job
        self._box = box
        self._log = log
        self._say = say

    def prepare(self) -> None:
        """Files, secrets and packages."""
        from imagekit.containers.transfer import with_parents

        self._box.put(with_parents(_items(self._job)))
        for name, value in self._job.secrets.items():
            data = value.encode("utf-8", "surrogateescape")
            words = ("/bin/sh", "-c", _WRITE, "sh", str(len(data)), _SECRETS, name)
            if self._run(words, given=data):
                raise host.failed(self._job.script, "cannot be given its secrets", self._log.path)
        if self._job.packages:
            self._say("installing its packages")
            code = self._run(("/bin/sh", "-c", _INSTALL, "sh", *self._job.packages))
            if code:
                names = " ".join(self._job.packages)
                raise host.failed(
                    self._job.script, f"has no {names}: installing failed with exit code {code}", self._log.path
                )

    def command(self) -> None:
        """The command itself."""
        exported = "".join(f'{name}="$(cat {_SECRETS}/{name})"; export {name}\n' for name in self._job.secrets)
        code = self._run(
            ("/bin/sh", "-e", "-c", exported + self._job.script),
            environment=self._environment(),
            directory=self._job.inside(self._job.directory),
        )
        if code:
            how = f"was ended by signal {code - 128}" if code > 128 else f"failed with exit code {code}"
            raise host.failed(self._job.script, how, self._log.path)

    def _environment(self) -> dict[str, str]:
        output = {"IMAGEKIT_OUTPUT": self._job.inside(self._job.outputs[0])} if len(self._job.outputs) == 1 else {}
        return {"IMAGEKIT_CACHE": _CACHE, "XDG_CACHE_HOME": _CACHE, **output, **self._job.environment}

    def _run(
        self,
        words: tuple[str, ...],
        *,
        environment: Mapping[str, str] | None = None,
        directory: str = "/",
        given: bytes = b"",
    ) -> int:
        from imagekit.containers.processes import Command, TookTooLong

        proxies = {name: text for name, text in self._job.environment.items() if name.lower().endswith("_proxy")}
        command = Command(
            words=words,
            environment=proxies if environment is None else environment,
            directory=directory,
            given=given,
            limit=self._job.limit,
        )
        try:
            code = self._box.run(command, self._log.write, self._say)
        except TookTooLong as error:
            self._log.settle()
            raise host.failed(self._job.script, error.message, self._log.path) from error
        self._log.settle()
        return code


def _items(job: Job) -> Iterator[Item]:
    """What goes in: the source with the times that its files have here, and the folders that outputs go into."""
    inside = job.inside(job.directory)
    yield _folder(inside), None
    for entry, content in disk.from_folder(job.tree, str(job.directory), inside):
        yield _timed(entry, job.directory / os.path.relpath(f"/{entry.path}", inside)), content
    for output in job.outputs:
        yield _folder(os.path.dirname(job.inside(output))), None


def _timed(entry: Entry, path: Path) -> Entry:
    """With the file's own time: what compares times, such as make, compares them with those in its cache."""
    if entry.kind is not Kind.FILE:
        return entry
    try:
        return replace(entry, mtime=max(0, int(path.stat().st_mtime)))
    except OSError:  # it is gone; reading it tells
        return entry


def _folder(path: str) -> Entry:
    return Entry(path=path.strip("/"), kind=Kind.DIRECTORY, mode=0o755)
