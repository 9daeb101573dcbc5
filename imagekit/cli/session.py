"""One run of the command line: what the rings get as arguments, made of options, environment and imagekit.toml."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Self

from imagekit.cli.console import Console
from imagekit.findings import Finding
from imagekit.values import dataclass

if TYPE_CHECKING:
    from imagekit.progress import Progress
    from imagekit.store.cache import DiskCache
    from imagekit.store.hosts import Hosts


@dataclass(frozen=True, kw_only=True, slots=True)
class GlobalOptions:
    """What every command takes, before or after its name."""

    verbose: bool = False
    quiet: bool = False
    cache_dir: str = ""
    mirror: tuple[str, ...] = ()
    insecure: tuple[str, ...] = ()
    ca_file: str = ""
    offline: bool = False


class Session:
    """The machine and the user as commands see them; `now` gives seconds since 1970.

    `options` is replaced while the command line is parsed, and stays as it is from then on.
    """

    def __init__(self, environment: Mapping[str, str], console: Console, now: Callable[[], float] = time.time) -> None:
        self.environment = environment
        self.console = console
        self.now = now
        self.options = GlobalOptions()

    @classmethod
    def of_process(cls, environment: Mapping[str, str]) -> Self:
        """The session of this process."""
        return cls(dict(environment), Console.of(sys.stderr, environment))

    def cache(self) -> DiskCache:
        """The cache; raises Missing when there is no place for it."""
        from imagekit.cli.configuration import cache_folder
        from imagekit.store.cache import DiskCache

        folder = self.options.cache_dir or cache_folder(self.environment)
        return DiskCache(folder, now=self.now)

    def hosts(self, spec: str = "") -> Hosts:
        """Mirrors and hosts for the spec at this path, by default for the current folder; raises InvalidFile."""
        from imagekit.cli.configuration import check_authorities, read_hosts

        folder = os.path.dirname(os.path.abspath(spec)) if spec else os.getcwd()
        hosts = read_hosts(folder, self.environment)
        options = self.options
        if options.ca_file:
            check_authorities(options.ca_file)
        return hosts.given(mirrors=options.mirror, insecure=options.insecure, ca_file=options.ca_file)

    def progress(self) -> AbstractContextManager[Progress]:
        """What the user sees of the work: live on a terminal, plain lines elsewhere, nothing under --quiet."""
        from imagekit.cli.progress import shown_on

        return shown_on(self.console, quiet=self.options.quiet)

    def report(self, findings: Iterable[Finding]) -> None:
        """Show findings that do not stop the command."""
        from imagekit.cli.report import show_findings

        show_findings(findings, self.console, self.environment)

    def say(self, text: str) -> None:
        """A line of talk, on stderr; not under --quiet."""
        if not self.options.quiet:
            self.console.say(text)

    def listen(self) -> None:
        """Show what the rings log: warnings always, requests and the like with --verbose."""
        from imagekit.cli.logs import show_on

        show_on(self.console, verbose=self.options.verbose)


def write(text: str) -> None:
    """Data for whoever reads stdout."""
    sys.stdout.write(f"{text}\n")


def write_bytes(pieces: Iterable[bytes]) -> None:
    """A stream of bytes for whoever reads stdout."""
    sys.stdout.flush()
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def write_json(document: object) -> None:
    """A document for machines, one value a line."""
    import json

    write(json.dumps(document, indent=2, ensure_ascii=False))
