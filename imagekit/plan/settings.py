"""What the image config says: start, environment, labels (design: "Start", "Form")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from imagekit.base import Base
from imagekit.errors import InvalidSpec
from imagekit.facts import DatabaseKind
from imagekit.findings import Place
from imagekit.lock import LockedImage
from imagekit.oci.config import Config
from imagekit.plan.parts import PackagesPart
from imagekit.plan.plan import Settings
from imagekit.spec import placeholders
from imagekit.spec.platform import PlatformSpec

#: What the bootstrap of a function is called where there is no handler to name.
_COMMAND: Final = "bootstrap"
#: The label with the packages that are installed and not in the RPM database.
_UNKNOWN: Final = "dev.imagekit.packages-not-in-database"


def start_of(base: Base, config: Config | None) -> tuple[Mapping[str, str], tuple[str, ...], str]:
    """Environment, entrypoint and working directory that an image starts with before the spec adds to them."""
    if config is None:
        return base.environment, base.entrypoint, base.working_directory
    return config.environment, config.entrypoint, config.working_directory


def settings(
    spec: PlatformSpec,
    base: Base,
    config: Config | None,
    locked: LockedImage | None,
    created: str,
    places: Mapping[str, Place],
) -> Settings:
    """The settings of one platform; `config` is the base's, None where the image starts empty.

    `places` has where the spec's values stand, by dotted path.

    Raises InvalidSpec for a `{base.NAME}` that the base does not set.
    """
    given, entrypoint, working_directory = start_of(base, config)
    labels = {**_standard(spec, locked), **spec.labels}
    return Settings(
        created=created,
        environment={**given, **_environment(spec, given, places)},
        entrypoint=entrypoint,
        command=(spec.handler or _COMMAND,),
        working_directory=working_directory,
        labels=labels,
        annotations={**labels, "org.opencontainers.image.created": created},
    )


def with_packages(made: Settings, packages: PackagesPart | None) -> Settings:
    """With a label that names the packages which the image's own rpm does not know; a manifest has no room for it.

    An engine that runs the image's own package manager has them known.
    """
    if packages is None or not packages.install or packages.engine or packages.database == DatabaseKind.SQLITE:
        return made
    if packages.engine:  # the base's own rpm has written it
        return made
    label = {_UNKNOWN: " ".join(packages.install)}
    return replace(made, labels={**made.labels, **label})


def _standard(spec: PlatformSpec, locked: LockedImage | None) -> dict[str, str]:
    """image-spec, annotations.md, "Pre-Defined Annotation Keys"."""
    labels = {"org.opencontainers.image.title": spec.name}
    if spec.version:
        labels["org.opencontainers.image.version"] = spec.version
    if locked:
        labels["org.opencontainers.image.base.name"] = locked.reference
        labels["org.opencontainers.image.base.digest"] = str(locked.index or locked.manifest)
    return labels


def _environment(spec: PlatformSpec, given: Mapping[str, str], places: Mapping[str, Place]) -> dict[str, str]:
    """The spec's variables, with the base's values where they are asked for."""
    words = {f"base.{name}": value for name, value in given.items()}
    findings = [
        finding
        for name, text in spec.environment.items()
        for finding in placeholders.problems(text, words, places.get(f"environment.{name}"))
    ]
    if findings:
        raise InvalidSpec(tuple(findings))
    return {name: placeholders.expand(text, words) for name, text in spec.environment.items()}
