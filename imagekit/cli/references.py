"""What `build` and `push` print of images: references by digest, for people, pipes and workflows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imagekit.architecture import by_oci
from imagekit.cli import github
from imagekit.cli.session import Session, write, write_json
from imagekit.deliver import Parcel
from imagekit.errors import UsageError
from imagekit.values import dataclass

if TYPE_CHECKING:
    from imagekit import pipeline


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


def show(found: References, only: str | None) -> None:
    """Print them, a line each."""
    for name in found.names:
        for digest in _chosen(found, only):
            write(f"{name}@{digest}")


def show_document(images: Mapping[str, References]) -> None:
    """Print them for machines: one document, or a list of those of several specs."""
    found = [{"spec": spec, **one.to_mapping()} for spec, one in images.items()]
    write_json(found if len(found) != 1 else next(iter(images.values())).to_mapping())


def tell_workflow(session: Session, images: Mapping[str, References]) -> None:
    """In a workflow, set its outputs, `images` as JSON and a lone spec's by themselves, and its summary."""
    if not github.is_on(session.environment) or not images:
        return
    found = {spec: _outputs(one) for spec, one in images.items()}
    outputs = {"images": json.dumps(found, separators=(",", ":"))}
    if len(found) == 1:
        outputs |= next(iter(found.values()))
    github.append_outputs(outputs, session.environment)
    rows = [(spec, key, f"`{value}`") for spec, one in found.items() for key, value in one.items()]
    github.append_summary(github.table(("spec", "image", "reference"), rows), session.environment)


def _chosen(found: References, only: str | None) -> Sequence[str]:
    if only is None:
        return tuple(found.digests.values())
    if only == "index" and "index" not in found.digests:
        return tuple(found.digests.values())
    if only not in found.digests:
        raise UsageError(f"--print {only}: the image has {', '.join(found.digests)}")
    return (found.digests[only],)


def of_each(
    session: Session,
    specs: Sequence[str],
    make: Callable[[pipeline.Session, str], References],
    *,
    only: str | None,
    as_json: bool,
    pushed: bool,
) -> None:
    """Make the image of each spec, and print its references where people, pipes and workflows look for them."""
    from imagekit.cli import fleet

    def one(opened: pipeline.Session, spec: str) -> References:
        found = make(opened, spec)
        if not as_json:
            show(found, only)
        if pushed:
            say_uri(session, found)
        return found

    run = fleet.over(session, specs, one)
    if as_json:
        show_document(run.done)
    tell_workflow(session, run.done)
    run.finish(lambda found: f"{found.names[0]}@{next(iter(found.digests.values()))}")


def say_uri(session: Session, found: References) -> None:
    """The ImageUri that CreateFunction takes: a plain manifest, never the index, and no FIPS endpoint."""
    from imagekit.store.ecr import image_uri

    for name in found.names:
        for architecture, digest in found.digests.items():
            if architecture != "index":
                session.say(f"ImageUri of a function for {architecture}: {image_uri(name)}@{digest}")


def _outputs(found: References) -> dict[str, str]:
    """The first repository's references, as the outputs of a step are called."""
    name = found.names[0]
    return {"index" if key == "index" else f"image-{key}": f"{name}@{digest}" for key, digest in found.digests.items()}
