"""Judges what imagekit left on a disk, without imagekit's own code: image layouts and the cache."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_INDEX = "application/vnd.oci.image.index.v1+json"
#: How files begin that are still being written.
_UNFINISHED = ".imagekit-"


def problems_of_layout(folder: Path) -> list[str]:
    """What is wrong with an image layout; nothing there is fine, half of one is not."""
    index = folder / "index.json"
    if not index.exists():
        return []
    found = []
    if json.loads((folder / "oci-layout").read_text()) != {"imageLayoutVersion": "1.0.0"}:
        found.append("oci-layout is damaged")
    origins = folder / "origins.json"
    elsewhere = json.loads(origins.read_text()) if origins.exists() else {}
    for entry in _reachable(folder, json.loads(index.read_text())["manifests"]):
        path = _blob(folder, entry["digest"])
        if path.exists():
            data = path.read_bytes()
            if f"sha256:{hashlib.sha256(data).hexdigest()}" != entry["digest"] or len(data) != entry["size"]:
                found.append(f"{entry['digest']} is damaged")
        elif entry["digest"] not in elsewhere:
            found.append(f"{entry['digest']} is missing")
    return found


def problems_of_cache(folder: Path) -> list[str]:
    """Blobs whose bytes are not those that their names promise."""
    blobs = folder / "blobs" / "sha256"
    return [
        f"{path} is damaged"
        for path in blobs.glob("??/*")
        if len(path.name) == 64 and hashlib.sha256(path.read_bytes()).hexdigest() != path.name
    ]


def unfinished(folder: Path) -> list[str]:
    """Files that somebody began and did not finish."""
    return [str(path) for path in folder.rglob(f"{_UNFINISHED}*") if path.name != ".imagekit.lock"]


def _reachable(folder: Path, entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        yield entry
        path = _blob(folder, entry["digest"])
        if not path.exists():
            continue
        if entry["mediaType"] == _INDEX:
            yield from _reachable(folder, json.loads(path.read_text())["manifests"])
        elif entry["mediaType"].endswith("manifest.v1+json"):
            document = json.loads(path.read_text())
            yield document["config"]
            yield from document["layers"]


def _blob(folder: Path, digest: str) -> Path:
    return folder / "blobs" / "sha256" / digest.removeprefix("sha256:")


if __name__ == "__main__":
    # python -m tests.support.soundness layout|cache FOLDER: for file systems that only one process sees.
    folder = Path(sys.argv[2])
    said = [*{"layout": problems_of_layout, "cache": problems_of_cache}[sys.argv[1]](folder), *unfinished(folder)]
    sys.stdout.writelines(f"{line}\n" for line in said)
    sys.exit(bool(said))
