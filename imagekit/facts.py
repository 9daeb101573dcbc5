"""Facts: what is known of a base's file system, out of the record that was kept of it."""

from __future__ import annotations

import json

from imagekit.rootfs.base_layout import BaseLayout, Directory


def layout_from_bytes(record: bytes) -> BaseLayout:
    """The layout that a `BaseLayout.record` describes."""
    document = json.loads(record)
    return BaseLayout(
        directories={
            path: Directory(mode=mode, uid=uid, gid=gid, mtime=mtime)
            for path, (mode, uid, gid, mtime) in document["directories"].items()
        },
        symlinks=document["symlinks"],
        files=frozenset(document["files"]),
    )
