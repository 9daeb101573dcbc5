"""Where the entries of a hostile archive go: below a target, without leading names, never through its own symlinks."""

from __future__ import annotations

from imagekit.errors import BuildFailed
from imagekit.rootfs.entry import MAX_PATH, checked, shown


class Placing:
    """For one archive; remembers its symlinks."""

    def __init__(self, *, source: str, target: str, strip: int) -> None:
        self.source = source
        self._prefix = f"{target}/" if target else ""
        self._strip = strip
        self._symlinks: set[str] = set()
        #: How many names the longest entry has, and how many entries were left by `strip`.
        self._deepest = self._left = 0

    def place_of(self, name: str) -> str | None:
        """The path in the image for an entry's name; None for one that is stripped away or the top itself.

        Raises BuildFailed for a name that must not be in a layer.
        """
        if name in {".", "./"}:
            return None
        all_names = checked(name, self.source).split("/")
        self._deepest = max(self._deepest, len(all_names))
        names = all_names[self._strip :]
        if not names:
            return None
        self._left += 1
        place = checked(self._prefix + "/".join(names), self.source)
        if self._symlinks:
            self._check_parents(place)
        return place

    def check_left(self) -> None:
        """After the last entry: raises BuildFailed when `strip` left none of them."""
        if self._deepest and not self._left:
            raise BuildFailed(
                f"strip: {self._strip} leaves nothing of {self.source}; its entries are at most {self._deepest} deep",
                hint="give `strip` as many leading folders as are to be dropped",
            )

    def check_link(self, place: str, target: str) -> None:
        """Note a symlink; raises BuildFailed for a target that no symlink can have."""
        raw = target.encode("utf-8", "replace")
        if not target or "\0" in target or len(raw) >= MAX_PATH or raw.decode("utf-8") != target:
            raise BuildFailed(
                f"{self.source}: the symlink {shown(place)} leads to {shown(target)}, which is no path",
                hint="get the archive again, or pack it without it",
            )
        self._symlinks.add(place)

    def _check_parents(self, place: str) -> None:
        cut = place.find("/")
        while cut > 0:
            if place[:cut] in self._symlinks:
                raise BuildFailed(
                    f"{self.source}: {shown(place)} lies below {shown(place[:cut])}, a symlink of the same archive",
                    hint="an archive that writes through its own symlinks is not to be trusted; pack it anew",
                )
            cut = place.find("/", cut + 1)
