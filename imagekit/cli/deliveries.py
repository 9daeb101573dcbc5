"""Where else a build goes: layouts, archives, a Docker engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final

from imagekit import deliver, locking, pipeline
from imagekit.errors import UsageError
from imagekit.oci.ports import Sink
from imagekit.project import Project

_FORMS: Final = "write oci:FOLDER, oci-archive:FILE or docker-archive:FILE"


def check(work: Project, outputs: Sequence[str], *, load: bool) -> None:
    """Raise UsageError for what cannot be written, before anything is built."""
    for output in outputs:
        kind, path = _taken_apart(output)
        if kind == "docker-archive" and len(work.platforms) > 1:
            raise UsageError("a docker-archive holds one platform", hint="add --platform, or write an oci-archive")
        _check_place(work, output, kind, path)
    if load and len(work.platforms) > 1:
        raise UsageError("a Docker engine takes one platform", hint="add --platform, such as --platform linux/amd64")


def write(session: pipeline.Session, work: Project, parcel: deliver.Parcel, output: str, tags: Sequence[str]) -> None:
    """Write the complete image to `KIND:PATH`; an archive among the files of the spec is none of them."""
    kind, path = _taken_apart(output)
    if kind != "oci":
        pipeline.leave_out(work, path)
    name = work.spec.name
    with _sink(output, name) as sink:
        deliver.export(parcel, sink, tags[0], session.progress)


def load(session: pipeline.Session, parcel: deliver.Parcel, name: str, tags: Sequence[str]) -> None:
    """Load the image into the Docker engine as `name:tag`."""
    from imagekit.store import docker

    with docker.loading(name, session.environment) as sink:
        deliver.export(parcel, sink, tags[0], session.progress)


def _check_place(work: Project, output: str, kind: str, path: str) -> None:
    """Raise UsageError, InvalidFile where the image would go over the build's own files or over somebody else's."""
    from imagekit.store import archive

    own = os.path.realpath(pipeline.kept(work).parent)
    # The build holds its layout while it delivers: a second writer would wait for it for ever.
    if os.path.commonpath((own, os.path.realpath(path))) == own:
        raise UsageError(
            f"--output {output}: {own} is where imagekit keeps what it builds", hint="name a place outside of it"
        )
    if kind == "oci":
        return
    if path == "-":
        hint = f"name a file, such as {kind}:{work.spec.name}.tar"
        raise UsageError(f"--output {output}: stdout is for references", hint=hint)
    sources = (locking.lock_file(work).path, *work.spec.sources)
    if os.path.realpath(path) in map(os.path.realpath, sources):
        raise UsageError(f"--output {output}: the image is built from this file", hint="name another file")
    archive.check_place(path)


def _sink(output: str, name: str) -> AbstractContextManager[Sink]:
    from imagekit.store import archive, layout_sink

    kind, path = _taken_apart(output)
    openers: dict[str, Callable[[], AbstractContextManager[Sink]]] = {
        "oci": lambda: layout_sink.writing(path),
        "oci-archive": lambda: archive.writing_oci(path),
        "docker-archive": lambda: archive.writing_docker(path, name),
    }
    return openers[kind]()


def _taken_apart(output: str) -> tuple[str, str]:
    kind, colon, path = output.partition(":")
    if kind not in {"oci", "oci-archive", "docker-archive"} or not colon or not path:
        raise UsageError(f"--output {output}: not a place to write an image", hint=_FORMS)
    return kind, path
