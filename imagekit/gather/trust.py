"""What an image trusts: the authorities that imagekit brings where there is no base, and the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from imagekit.errors import InvalidFile
from imagekit.gather import paths, regular
from imagekit.making import certificates
from imagekit.project import Project
from imagekit.values import dataclass

if TYPE_CHECKING:
    from imagekit.rootfs.authorities import Authority

#: Of a file of certificates; more is none.
_MAX_FILE = 4 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Trust:
    """`authorities` are the user's own; `bundle` is for an image that starts empty, with them in it."""

    authorities: tuple[Authority, ...] = ()
    bundle: bytes = b""

    @classmethod
    def of(cls, project: Project) -> Self:
        """For all platforms of a project; raises InvalidFile for a file that holds no certificate."""
        there = certificates(project.base)
        if not project.spec.packages.certificates:
            return cls(bundle=there)
        from imagekit.rootfs.authorities import authorities, bundle

        own: list[Authority] = []
        for number, name in enumerate(project.spec.packages.certificates):
            place = project.spec.places.get(f"certificates.{number}")
            path = paths.local(project.spec.root, name, place)
            try:
                own += authorities(regular.read(str(path), _MAX_FILE), name)
            except InvalidFile as error:
                raise InvalidFile(error.message, hint=error.hint, place=error.place or place) from error
        return cls(
            authorities=tuple(own),
            bundle=bundle(there, {one.certificate: one.pem for one in own}) if there and own else there,
        )
