"""Facts: what is known of a base's file system, as a record that can be kept."""

from __future__ import annotations

import json

from imagekit.oci import canonical
from imagekit.rootfs.base_layout import BaseLayout, Directory


def layout_to_bytes(layout: BaseLayout) -> bytes:
    """A record of a layout."""
    return canonical.to_bytes(
        {
            "directories": {path: [d.mode, d.uid, d.gid, d.mtime] for path, d in layout.directories.items()},
            "symlinks": dict(layout.symlinks),
            "files": sorted(layout.files),
        }
    )


def layout_from_bytes(record: bytes) -> BaseLayout:
    """The layout in a record of ours."""
    document = json.loads(record)
    return BaseLayout(
        directories={
            path: Directory(mode=mode, uid=uid, gid=gid, mtime=mtime)
            for path, (mode, uid, gid, mtime) in document["directories"].items()
        },
        symlinks=document["symlinks"],
        files=frozenset(document["files"]),
    )
