"""The spec of one platform: placeholders filled in, `only` applied, one value where there was one by architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from typing import Protocol, TypeAlias, TypeVar

from imagekit.architecture import Architecture
from imagekit.errors import InvalidSpec
from imagekit.findings import Finding, Place
from imagekit.spec import syntax
from imagekit.spec.bootstrap import STARTED, Bootstrap, Brought, Client
from imagekit.spec.by_architecture import PerArchitecture
from imagekit.spec.draft import placed
from imagekit.spec.model import BASE, HOST, Archive, FromDisk, FromImage, Push, Spec, Step
from imagekit.spec.packages import Packages, RepositoryEntry
from imagekit.spec.placeholders import RELEASE, expand
from imagekit.spec.platform import PlatformArchive, PlatformFromImage, PlatformProgram, PlatformSpec
from imagekit.values import dataclass

_Check: TypeAlias = Callable[[str], syntax.Problem | None]


class _Item(Protocol):
    @property
    def only(self) -> tuple[Architecture, ...]:
        """The architectures that the item is for; none stands for all."""
        ...


_I = TypeVar("_I", bound=_Item)


def for_platform(spec: Spec, architecture: Architecture, words: Mapping[str, str]) -> PlatformSpec:
    """What `spec` says for one architecture; `words` are the values of the language's own placeholders.

    Raises InvalidSpec with everything that has no value or no proper form once placeholders are filled in.
    """
    filling = _Filling(architecture=architecture, values={**words, **values(spec, architecture)})
    flat = PlatformSpec(
        path=spec.path,
        kind=spec.kind,
        name=spec.name,
        language=spec.language,
        version=spec.version,
        os=spec.os,
        architecture=architecture,
        base=filling.one(spec.base, "base", spec.places.get("base"), syntax.reference),
        root=spec.root,
        handler=spec.handler,
        bootstrap=filling.bootstrap(spec.bootstrap),
        build=tuple(filling.step(step) for step in _for(spec.build, architecture)),
        archives=tuple(filling.archive(item) for item in _for(spec.archives, architecture)),
        files=(
            *filling.brought(spec.bootstrap),
            *(filling.files(item) for item in _for(spec.files, architecture)),
        ),
        environment=spec.environment,
        labels=spec.labels,
        tests=tuple(replace(item, only=()) for item in _for(spec.tests, architecture)),
        push=Push(to=spec.push.to, tags=filling.tags(spec)),
        default_build=spec.default_build,
        packages=filling.packages(spec.packages),
    )
    if filling.findings:
        raise InvalidSpec(tuple(filling.findings))
    return flat


def values(spec: Spec, architecture: Architecture) -> dict[str, str]:
    """The values of the placeholders that every spec can use."""
    version = {"version": spec.version} if spec.version is not None else {}
    return {
        **version,
        "architecture": architecture.name,
        "oci_arch": architecture.oci,
        "rpm_arch": architecture.rpm,
        "name": spec.name,
    }


def _for(items: Iterable[_I] | None, architecture: Architecture) -> Iterable[_I]:
    return (item for item in items or () if not item.only or architecture in item.only)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Filling:
    """Fills in placeholders for one platform and gathers what is wrong with the results."""

    architecture: Architecture
    values: Mapping[str, str]
    findings: list[Finding] = field(default_factory=list)

    def text(self, template: str, place: Place | None, check: _Check | None = None) -> str:
        """The template filled in; `check` looks at the result."""
        try:
            text = expand(template, self.values, place)
        except InvalidSpec as error:
            self.findings.extend(error.findings)
            return template
        if check and (problem := check(text)):
            self.findings.append(placed(problem, place, text))
        return text

    def one(self, value: PerArchitecture | None, key: str, place: Place | None, check: _Check | None) -> str | None:
        """The value for this architecture; there has to be one where there is any."""
        if value is None:
            return None
        template = value.of(self.architecture)
        if template is not None:
            return self.text(template, place, check)
        message = f"`{key}` has no value for {self.architecture}"
        hint = f"add `{self.architecture}: …`"
        self.findings.append(Finding(code="IK0102", message=message, place=place, hint=hint))
        return None

    def bootstrap(self, bootstrap: Bootstrap | None) -> PlatformProgram | Client | None:
        """The bootstrap of this platform; one that another image brings is among the files."""
        if bootstrap is None or isinstance(bootstrap, Brought):
            return None
        if isinstance(bootstrap, Client):
            return replace(bootstrap, command=self._all(bootstrap.command, bootstrap.place))
        path = self.one(bootstrap.path, "bootstrap.path", bootstrap.place, syntax.local)
        return PlatformProgram(path=path or "", place=bootstrap.place)

    def brought(self, bootstrap: Bootstrap | None) -> tuple[PlatformFromImage, ...]:
        """What another image brings to start this platform; Lambda needs an executable, whatever it is there."""
        if not isinstance(bootstrap, Brought):
            return ()
        place = bootstrap.place
        image = self.one(bootstrap.image, "bootstrap.image", place, syntax.reference) or ""
        paths = [self.text(path, place, syntax.target) for path in bootstrap.paths]
        return tuple(
            PlatformFromImage(
                image=image, source=path, target=path, mode=0o755 if path == STARTED else None, place=place
            )
            for path in paths
        )

    def step(self, step: Step) -> Step:
        """One step of this platform's build."""
        where = self.text(step.where, step.place, None if step.where in (HOST, BASE) else syntax.reference)
        outputs = tuple(self.text(text, step.place, syntax.local) for text in step.outputs)
        return replace(step, where=where, outputs=outputs, only=())

    def archive(self, item: Archive) -> PlatformArchive:
        """One archive of this platform."""
        return PlatformArchive(
            source=self.one(item.source, "source", item.place, syntax.archive) or "",
            target=self.text(item.target, item.place, syntax.target),
            strip=item.strip,
            sha256=self.one(item.sha256, "sha256", item.place, None),
            place=item.place,
        )

    def files(self, item: FromDisk | FromImage) -> FromDisk | PlatformFromImage:
        """One item of `files` for this platform."""
        target = self.text(item.target, item.place, syntax.target)
        include, exclude = self._all(item.include, item.place), self._all(item.exclude, item.place)
        if isinstance(item, FromDisk):
            source = self.text(item.source, item.place, syntax.local)
            return replace(item, source=source, target=target, include=include, exclude=exclude, only=())
        return PlatformFromImage(
            image=self.one(item.image, "image", item.place, syntax.reference) or "",
            source=self.text(item.source, item.place, syntax.target),
            target=target,
            mode=item.mode,
            include=include,
            exclude=exclude,
            place=item.place,
        )

    def packages(self, packages: Packages) -> Packages:
        """What this platform's packages are; `{releasever}` is known only when the base is."""
        chosen = tuple(replace(item, only=()) for item in _for(packages.install, self.architecture))
        entries = tuple(self._repository(item) for item in _for(packages.repositories, self.architecture))
        return replace(packages, install=chosen, repositories=entries)

    def _repository(self, item: RepositoryEntry) -> RepositoryEntry:
        later = replace(self, values={**self.values, RELEASE: f"{{{RELEASE}}}"})
        baseurl, mirrorlist = (
            None if url is None else later.text(url, item.place, syntax.url) for url in (item.baseurl, item.mirrorlist)
        )
        return replace(item, baseurl=baseurl, mirrorlist=mirrorlist, only=())

    def tags(self, spec: Spec) -> tuple[str, ...]:
        """The tags, each once."""
        numbered = enumerate(spec.push.tags)
        filled = [self.text(tag, spec.places.get(f"push.tags.{index}"), syntax.tag) for index, tag in numbered]
        return tuple(dict.fromkeys(filled))

    def _all(self, templates: tuple[str, ...], place: Place | None) -> tuple[str, ...]:
        return tuple(self.text(template, place) for template in templates)
