"""What `build` and `push` print of images: references by digest, for people, pipes and workflows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imagekit.architecture import by_oci
from imagekit.cli import github
from imagekit.cli.session import Session, write, write_json
from imagekit.deliver import Parcel
from imagekit.errors import UsageError
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class References:
    """One image under one or more names; `digests` has `index` first when there is one, then the architectures."""

    names: tuple[str, ...]
    digests: Mapping[str, str]
    tags: tuple[str, ...]

    @classmethod
    def of(cls, parcel: Parcel, names: Sequence[str], tags: Sequence[str]) -> References:
        """The references of what was built or delivered."""
        digests = {"index": str(parcel.index.descriptor.digest)} if parcel.index else {}
        for document in parcel.manifests:
            platform = document.descriptor.platform
            name = by_oci(platform.architecture).name if platform else "image"
            digests[name] = str(document.descriptor.digest)
        return cls(names=tuple(names), digests=digests, tags=tuple(tags))

    def to_mapping(self) -> dict[str, Any]:
        """For machines."""
        return {
            "tags": list(self.tags),
            "digests": dict(self.digests),
            "references": {name: [f"{name}@{digest}" for digest in self.digests.values()] for name in self.names},
        }


def show(session: Session, found: References, *, only: str | None, as_json: bool, pushed: bool) -> None:
    """Print them; in a workflow also set its outputs and its summary."""
    if as_json:
        write_json(found.to_mapping())
    else:
        for name in found.names:
            for digest in _chosen(found, only):
                write(f"{name}@{digest}")
    if pushed:
        _say_uri(session, found)
    _tell_workflow(session, found)


def _chosen(found: References, only: str | None) -> Sequence[str]:
    if only is None:
        return tuple(found.digests.values())
    if only == "index" and "index" not in found.digests:
        return tuple(found.digests.values())
    if only not in found.digests:
        raise UsageError(f"--print {only}: the image has {', '.join(found.digests)}")
    return (found.digests[only],)


def _say_uri(session: Session, found: References) -> None:
    """The ImageUri that CreateFunction takes: a plain manifest, never the index, and no FIPS endpoint."""
    from imagekit.store.ecr import image_uri

    for name in found.names:
        for architecture, digest in found.digests.items():
            if architecture != "index":
                session.say(f"ImageUri of a function for {architecture}: {image_uri(name)}@{digest}")


def _tell_workflow(session: Session, found: References) -> None:
    if not github.is_on(session.environment):
        return
    name = found.names[0]
    outputs = {
        "index" if key == "index" else f"image-{key}": f"{name}@{digest}" for key, digest in found.digests.items()
    }
    github.append_outputs(outputs, session.environment)
    rows = [(key, f"`{value}`") for key, value in outputs.items()]
    github.append_summary(github.table(("output", "reference"), rows), session.environment)
