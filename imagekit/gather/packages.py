"""A platform's packages: what becomes of them in the plan, and their way from the lock to the entries of a layer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Self

from imagekit import engines, images
from imagekit.architecture import by_name, by_oci
from imagekit.errors import BuildFailed, WrongChecksum
from imagekit.findings import Place
from imagekit.gather import paths
from imagekit.gather.facts import FactsReader
from imagekit.gather.local_layers import LocalLayers
from imagekit.lock import LockedImage, LockedPlatform
from imagekit.lock_packages import LockedPackage, LockedPackages
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.image import Image
from imagekit.oci.ports import Cache, Fetch, Opener, Source
from imagekit.plan.parts import PackagesPart
from imagekit.progress import Progress
from imagekit.spec.packages import Packages as Asked
from imagekit.spec.platform import PlatformSpec
from imagekit.spec.syntax import is_url
from imagekit.values import dataclass

if TYPE_CHECKING:
    from imagekit.engines.ports import BaseImage, Difference, Warn
    from imagekit.rootfs.authorities import Authority
    from imagekit.rpm.signature import Certificates


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What a change has to be told of a project and of a base: the user's own authorities, the kind of the database."""

    authorities: tuple[Authority, ...]
    database: Callable[[LockedImage, Image], str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Packages:
    """The change of a base's packages that a lock holds; `root` is what local packages are relative to."""

    part: PackagesPart
    locked: LockedPackages
    base: LockedImage
    image: Image
    root: str
    skipped: Mapping[str, str] = field(default_factory=dict)
    authorities: tuple[Authority, ...] = ()

    @classmethod
    def of(cls, spec: PlatformSpec, locked: LockedPlatform, image: Image, known: Known) -> Self | None:
        """The change for a platform, in which what is to be trusted counts; None where there is none."""
        authorities, asked = known.authorities, spec.packages
        packages = locked.packages or LockedPackages()
        if locked.base is None or not (packages.install or packages.removed or authorities or asked.commands):
            return None
        return cls(
            part=PackagesPart(
                source=", ".join((*sorted(packages.asked), *asked.certificates, *_commands(asked)))
                or "what the base has",
                base=locked.base.manifest,
                install={item.nevra: item.digest for item in packages.install},
                removed=tuple(sorted(packages.removed)),
                slim=asked.slim,
                skipped=tuple(sorted(asked.skipped)),
                database=known.database(locked.base, image) if packages.install or packages.removed else "",
                certificates=tuple(Digest.of(one.pem) for one in authorities),
                engine=locked.engine,
                commands=asked.commands,
                place=_place(spec),
            ),
            locked=packages,
            base=locked.base,
            image=image,
            root=spec.root,
            skipped=asked.skipped,
            authorities=authorities,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Installer:
    """Installs packages; `source` opens an image's name, `fetch` brings a package by its URL.

    `environment` is imagekit's own, `logs` the folder for the output of commands that run in an image.
    """

    cache: Cache
    progress: Progress
    source: Callable[[str], tuple[Source, str]]
    fetch: Fetch
    workers: int
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    logs: str = ""

    def install(self, packages: Packages, warn: Warn) -> Difference:
        """The packages, ready to be written; raises as an engine does."""
        from imagekit.engines.native.database import installed
        from imagekit.engines.ports import Change, Means, Shelf

        reader = FactsReader(cache=self.cache, progress=self.progress, source=self.source)
        facts = reader.read(packages.base, packages.image)
        means = Means(
            fetch=self.fetch,
            cache=self.cache,
            progress=self.progress,
            root=packages.root,
            workers=self.workers,
            environment=self.environment,
            logs=self.logs,
        )
        return engines.engine(packages.part.engine or engines.DEFAULT, means).install(
            Change(
                facts=facts,
                install=packages.locked.install,
                removed=frozenset(packages.locked.removed),
                installed=installed(facts),
                shelf=Shelf(
                    place=lambda item: self._place(item.url, item.digest, item.size, packages.root),
                    keys=self._keys(packages),
                ),
                warn=warn,
                workers=self.workers,
                slim=packages.part.slim,
                read=partial(reader.contents, packages.base, packages.image),
                skipped=packages.skipped,
                authorities=packages.authorities,
                image=self._image(packages),
                commands=packages.part.commands,
            )
        )

    def _image(self, packages: Packages) -> BaseImage:
        """The base as an engine takes it, its layers verified on the way."""
        from imagekit.engines.ports import BaseImage
        from imagekit.execute.image import LocalImage

        image, named = packages.image, packages.base.reference

        def opened(blob: Descriptor) -> Opener:
            source, _ = self.source(named)
            (opener,) = LocalLayers(cache=self.cache, progress=self.progress).openers(source, (blob,), named)
            return opener

        architecture = by_oci(image.platform.architecture)
        local = LocalImage(name=named, architecture=architecture, image=image, open=opened)
        return BaseImage(
            reference=local.reference,
            architecture=architecture,
            diff_ids=image.config.diff_ids,
            archive=local.archive,
        )

    def _keys(self, packages: Packages) -> Callable[[LockedPackage], Certificates | None]:
        """The keys of each package's repository; None for one that asks for no signatures."""
        from imagekit.engines.native.trust import Keys

        keys = Keys(fetch=self.fetch, root=packages.root)
        found = {name: keys.locked(item) for name, item in packages.locked.repositories.items() if item.keys}

        def of(item: LockedPackage) -> Certificates | None:
            if item.repository and item.repository not in packages.locked.repositories:
                raise BuildFailed(
                    f"the lock has {item.nevra} out of {item.repository}, a package repository that it lacks",
                    hint="restore the committed lock, or run `imagekit lock`",
                )
            return found.get(item.repository)

        return of

    def _place(self, url: str, digest: Digest, size: int | None, root: str) -> str:
        """Where a file of the lock lies on this disk; raises WrongChecksum for one that is not the locked one."""
        if not is_url(url):
            path = str(paths.local(root, url, None))
            with open(path, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != digest.hex:
                raise WrongChecksum(f"{url} has the sha256 {found}, the lock says {digest.hex}")
            return path
        from imagekit.resolve import fetched

        return fetched(self.fetch, url, digest=digest, size=size).path


def names_in_base(reader: FactsReader, locked: LockedPlatform) -> tuple[str, ...]:
    """The names of the packages that a platform's base has."""
    from imagekit.engines.native.database import installed

    if locked.base is None:
        return ()
    source, _ = reader.source(locked.base.reference)
    image = images.read(source, locked.base.manifest, by_name(locked.architecture), locked.base.reference)
    headers = installed(reader.read(locked.base, image)).values()
    return tuple(header.nevra.name for header in headers)


def _commands(asked: Asked) -> tuple[str, ...]:
    """What the layer's title says of commands: not their words, which may hold what is nobody's business."""
    number = len(asked.commands)
    return (f"{number} command{'s' if number > 1 else ''}",) if number else ()


def _place(spec: PlatformSpec) -> Place | None:
    """Where the spec asks for the first of them."""
    places = [item.place for item in spec.packages.install if item.place]
    return places[0] if places else spec.packages.commands_place
