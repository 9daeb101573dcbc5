"""The table of commands: one line each, so that help and completion import none of them."""

from __future__ import annotations

from typing import Final

from imagekit.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A command: its name, the module whose attribute of the same name it is, its group and what it is for."""

    name: str
    module: str
    group: str
    help: str


#: The groups in the order of `--help`.
GROUPS: Final = ("write", "build", "ship", "look", "run", "machine")

_TABLE: Final = (
    ("init", "imagekit.cli.init", "write", "start from an example, or write a spec for the project here"),
    ("validate", "imagekit.cli.validate", "write", "is the spec right? Reads text alone: no network, no build"),
    ("schema", "imagekit.cli.schema", "write", "print the contract of a spec; --install makes editors complete by it"),
    ("lock", "imagekit.cli.lock", "build", "choose the exact bytes for a spec and write them to runtime.lock"),
    (
        "outdated",
        "imagekit.cli.outdated",
        "build",
        "what a new lock would change: moved tags, newer packages, advisories",
    ),
    ("plan", "imagekit.cli.plan", "build", "everything that a build would do, without doing it"),
    ("render", "imagekit.cli.render", "build", "print the spec as one file, or the image config it leads to"),
    ("build", "imagekit.cli.build", "build", "build the image"),
    ("matrix", "imagekit.cli.matrix", "ship", "say which jobs build which specs on many machines"),
    ("push", "imagekit.cli.push", "ship", "send what was built to registries, blobs first, tags last"),
    ("join", "imagekit.cli.join", "ship", "make one index of platforms that several machines have built"),
    ("explain", "imagekit.cli.explain", "look", "why is this package in the image?"),
    ("inspect", "imagekit.cli.inspect", "look", "platforms, layers and config of an image"),
    ("diff", "imagekit.cli.diff", "look", "what is another in a second image: config, layers, files"),
    ("sbom", "imagekit.cli.sbom", "look", "what the images of a spec consist of, as SPDX"),
    ("invoke", "imagekit.cli.invoke", "run", "send one event to an image on this machine"),
    ("run", "imagekit.cli.run", "run", "serve an image on this machine as Lambda does"),
    (
        "test",
        "imagekit.cli.test",
        "run",
        "does it answer as the spec's tests expect? On every architecture here",
    ),
    ("dev", "imagekit.cli.dev", "run", "run, and build and start again when something changes"),
    ("shell", "imagekit.cli.shell", "run", "open a shell in the image"),
    ("doctor", "imagekit.cli.doctor", "machine", "what this machine lacks for a spec, and how to get it"),
    ("cache", "imagekit.cli.cache", "machine", "how large the cache is, and making it smaller"),
    ("completion", "imagekit.cli.completion", "machine", "print the script that completes commands in your shell"),
    ("version", "imagekit.cli.version", "machine", "the versions of imagekit and of what it works with"),
)
COMMANDS: Final = {
    name: Entry(name=name, module=module, group=group, help=text) for name, module, group, text in _TABLE
}
