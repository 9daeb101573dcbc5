"""Where host commands run, and what they see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path

from imagekit.gather.engines import Engines
from imagekit.language import Language
from imagekit.oci.digest import Digest
from imagekit.oci.ports import Cache
from imagekit.progress import Progress
from imagekit.rootfs.tree import Tree
from imagekit.spec import placeholders
from imagekit.spec.platform import PlatformSpec
from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """Where commands run: the machine's architecture, the user's environment, the folder for logs, the cache."""

    machine: str
    environment: Mapping[str, str]
    folder: Path
    cache: Cache
    progress: Progress
    #: The digest of all files below a folder that match the patterns.
    inputs: Callable[[Path, tuple[str, ...]], Digest]
    #: The digest of all that is below a folder.
    state: Callable[[Path], Digest]
    #: The platforms for which the tools that install dependencies were asked.
    asked: set[str] = field(default_factory=set)
    #: What a container gets of a folder: all that matches the first patterns, or all, less what the second match.
    tree: Callable[[Path, tuple[str, ...], tuple[str, ...]], Tree]
    #: The engine that containers run in, and their images.
    engines: Engines
    #: All platforms that are built for.
    specs: tuple[PlatformSpec, ...]

    def environment_of(self, spec: PlatformSpec, language: Language, output: Path | None) -> dict[str, str]:
        """What commands for a platform see; `output` is what is to be made."""
        return environment_of(self.environment, spec, language, output)


def users(environment: Mapping[str, str]) -> dict[str, str]:
    """The user's environment without imagekit's own settings."""
    return {name: text for name, text in environment.items() if not name.startswith("IMAGEKIT_")}


def environment_of(
    own: Mapping[str, str], spec: PlatformSpec, language: Language, output: Path | None
) -> dict[str, str]:
    """The user's `own` environment, the language's variables, and imagekit's; `output` is what is to be made."""
    architecture = spec.architecture
    words = {
        "architecture": architecture.name,
        "oci_arch": architecture.oci,
        "rpm_arch": architecture.rpm,
        "version": spec.version or "",
        **language.words(architecture),
    }
    added = {name: placeholders.expand(text, words) for name, text in language.environment.items()}
    environment = {**own, **added}
    environment["IMAGEKIT_ARCHITECTURE"] = architecture.name
    environment["IMAGEKIT_OCI_ARCH"] = architecture.oci
    environment["IMAGEKIT_RPM_ARCH"] = architecture.rpm
    if output:
        environment["IMAGEKIT_OUTPUT"] = str(output)
    return environment
