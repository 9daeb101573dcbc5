"""`imagekit plan`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imagekit.architecture import Architecture
from imagekit.cli import options
from imagekit.cli.frame import command, pass_session
from imagekit.cli.session import Session, write, write_json
from imagekit.cli.sizes import size
from imagekit.lockfile import Use

if TYPE_CHECKING:
    from imagekit.lock import Lock
    from imagekit.lock_changes import Change
    from imagekit.oci.ports import Cache
    from imagekit.plan.parts import Part
    from imagekit.plan.plan import LayerPlan, Plan
    from imagekit.spec.model import Step
    from imagekit.spec.platform import PlatformSpec


@command("plan")
@options.spec
@options.platform
@options.lock_use
@options.compression
@options.overrides
@options.labels
@options.as_json
@pass_session
def plan(
    session: Session,
    spec: str,
    *,
    architectures: Sequence[Architecture],
    use: Use,
    compression: str | None,
    overrides: Sequence[str],
    labels: Mapping[str, str],
    as_json: bool,
) -> None:
    """Show everything that a build would do, from what, and which layers are cached.

    Nothing of the spec is run and nothing is written, not even a lock.
    """
    from imagekit import locking, pipeline
    from imagekit.cli import work
    from imagekit.lock_changes import moved_packages

    with work.opened(session, spec) as opened:
        loaded = work.load(session, opened, spec, overrides, architectures).labelled(labels)
        known = locking.lock_file(loaded).read()
        lock = pipeline.resolve(opened, loaded, use, compression, write=False)
        work.warn(session, pipeline.doubts(opened, loaded, lock))
        moved = moved_packages(known, lock) if known else ()
        plans = pipeline.plan(loaded, lock, pipeline.gather(opened, loaded, lock, build=False))
        pairs = zip(plans, loaded.platforms, strict=True)
        if as_json:
            write_json([_document(one, opened.cache, moved) | _built(spec, lock) for one, spec in pairs])
        else:
            lines = (_lines(one, opened.cache, moved, _built(spec, lock)) for one, spec in pairs)
            write("\n".join(line for several in lines for line in several))


def _document(one: Plan, cache: Cache, moved: Sequence[Change]) -> dict[str, Any]:
    """The plan, and what becomes of packages that the lock has otherwise; nothing of that where there is no lock."""
    document = one.to_mapping()
    document["changes"] = [row.to_mapping() for row in moved if row.architecture == one.architecture]
    for mapping, layer in zip(document["layers"], one.layers, strict=True):
        mapping["cached"] = _cached(layer, cache)[0]
    return document


def _built(spec: PlatformSpec, lock: Lock) -> dict[str, Any]:
    """The steps that run in containers, each with its image."""
    steps = [_step(step, spec, lock) for step in spec.build if not step.is_on_host]
    return {"build": steps} if steps else {}


def _step(step: Step, spec: PlatformSpec, lock: Lock) -> dict[str, Any]:
    locked = lock.at(spec.architecture.name)
    image = locked.images[step.image] if step.image else locked.base
    document = {"in": step.where, "image": str(image.manifest) if image else "", "run": step.run}
    more = {"packages": step.packages, "secrets": step.secrets, "outputs": step.outputs}
    return document | {key: list(value) for key, value in more.items() if value}


def _lines(one: Plan, cache: Cache, moved: Sequence[Change], built: Mapping[str, Any]) -> Iterator[str]:
    was = {row.name: row.locked for row in moved if row.architecture == one.architecture}
    yield f"{one.architecture}: from {f'{one.base_reference} ({one.base})' if one.base else 'an empty image'}"
    for step in built.get("build", ()):
        yield f"  build in {step['in']} ({step['image']}): {step['run'].strip().splitlines()[0]}"
    for layer in one.layers:
        yield f"  layer {layer.name}: {_cached(layer, cache)[1]}"
        for part in layer.parts:
            yield f"    {_part(part)}"
            yield from (f"      {line}" for line in _packages(part, was))
    settings = one.settings
    yield f"  starts {' '.join([*settings.entrypoint, *settings.command])} in {settings.working_directory or '/'}"


def _part(part: Part) -> str:
    """Where from, where to, and the first digits of the digest."""
    document = part.to_mapping()
    if document["kind"] == "packages":
        gone = f", {len(document['remove'])} of the base go" if document["remove"] else ""
        run = f", then {len(document['run'])} commands" if document.get("run") else ""
        how = f", by {document['engine']}: not reproducible" if document.get("engine") else ""
        return f"{part.source}: {len(document['install'])} packages{gone}{run}{how}"
    digest = str(document.get("digest", ""))
    short = digest.removeprefix("sha256:")[:12] if digest.startswith("sha256:") else digest
    return "  ".join(filter(None, (f"{part.source} → {document.get('target', '/')}", short)))


def _packages(part: Part, was: Mapping[str, str]) -> Iterator[str]:
    """Each package that comes or goes, and what the lock has in its place where that is something else."""
    from imagekit.lock_packages import name_of

    document = part.to_mapping()
    if document["kind"] == "packages":
        for nevra in sorted(document["install"]):
            before = was.get(name_of(nevra))
            yield nevra if before is None else f"{nevra} (new)" if before == "nothing" else f"{nevra} (was {before})"
        yield from (f"{nevra} goes" for nevra in document["remove"])


def _cached(layer: LayerPlan, cache: Cache) -> tuple[bool, str]:
    """Whether the layer is there already, and why or why not."""
    from imagekit.build import cached

    if not layer.is_ready:
        return False, "not cached: a host step has yet to make its input"
    found = cached(cache, layer.key)
    if found is None:
        return False, f"not cached: nothing was built from these inputs yet (key {layer.key.short})"
    return True, f"cached: {size(found.descriptor.size)}, {found.descriptor.digest}"
