"""`imagekit version`."""

from __future__ import annotations

from typing import Any, Final

from imagekit import __version__
from imagekit.cli.frame import command, option
from imagekit.cli.session import write, write_json

#: Distributions whose version may matter in a report.
_LIBRARIES: Final = (
    *("click", "PyYAML", "jsonschema", "docker", "urllib3", "zlib-ng", "zstandard", "certifi", "pathspec"),
    *("apsw", "pysequoia", "solv", "boto3"),
)


@command("version")
@option("--json", "as_json", is_flag=True, help="Print a document for machines.")
def version(as_json: bool) -> None:
    """Print the versions of imagekit and of what it works with."""
    document = _versions()
    if as_json:
        write_json(document)
        return
    write(f"imagekit {document['imagekit']}")
    for key in ("python", "platform", "codec"):
        write(f"{key} {document[key]}")
    for name, number in document["libraries"].items():
        write(f"{name} {number or 'not installed'}")


def _versions() -> dict[str, Any]:
    import platform

    from imagekit.rootfs.gzip import Codec

    return {
        "imagekit": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "codec": Codec.named("default").name,
        "libraries": {name: _installed(name) for name in _LIBRARIES},
    }


def _installed(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    try:
        return version_of(name)
    except PackageNotFoundError:
        return None
