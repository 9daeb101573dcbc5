"""Every error that a user can meet. Each class is a situation: what happened, what to do, the exit code.

Raised anywhere, caught once (in `imagekit.cli`). Foreign exceptions are wrapped where they come in, `from` the
original.
"""

from __future__ import annotations

from typing import ClassVar

from imagekit.findings import Finding, Place, in_order


class ImagekitError(Exception):
    """The root. `hint` says what to do next, `place` where it is."""

    exit_code: ClassVar[int] = 70
    #: What to do when the one who raises knows nothing better.
    advice: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str = "", place: Place | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.advice
        self.place = place


class FindingsError(ImagekitError):
    """A check, a diff or a test found something of severity error."""

    exit_code = 1
    advice = "mend what is listed above and run the command again"

    def __init__(self, findings: tuple[Finding, ...], message: str = "") -> None:
        self.findings = in_order(findings)
        super().__init__(message or _count(self.findings))


class StaleLock(ImagekitError):
    """The lock does not fit the spec or this imagekit, and may not be renewed."""

    exit_code = 1
    advice = "run `imagekit lock`, look at the difference, and commit it"


class FunctionFailed(ImagekitError):
    """A function that ran here ended in an error, or its answers are not those that its tests expect."""

    exit_code = 1
    advice = "its log is above"


class InvalidSpec(FindingsError):
    """The spec is not valid; all its problems are in `findings`."""

    exit_code = 2
    advice = "mend what is listed above; `imagekit schema` prints the contract"


class UsageError(ImagekitError):
    """The command line asks for something that cannot be."""

    exit_code = 2
    advice = "`imagekit COMMAND --help` lists what the command takes"


class InvalidFile(ImagekitError):
    """A file that the spec or the command line names is missing, unreadable, or not what it should be."""

    exit_code = 2
    advice = "correct the file, or the path that names it"


class BuildFailed(ImagekitError):
    """The build could not be done: a host command failed, an input does not fit."""

    exit_code = 3
    advice = "mend the cause and run `imagekit build` again; nothing half-built was kept"


class WrongChecksum(BuildFailed):
    """An archive or a package is not the one that the spec or the lock names."""

    advice = "find out why the bytes changed before you take a new checksum over"


class WrongSignature(BuildFailed):
    """A package or the metadata of a package repository is not signed by a key that is trusted."""

    advice = "find out who signed it before you trust another key; never take a key from where the package came from"


class RemoteFailed(ImagekitError):
    """A registry, a package repository or the network failed; a retry may help."""

    exit_code = 4
    advice = "try again; `imagekit --verbose` shows the requests"


class WrongDigest(RemoteFailed):
    """A registry sent other bytes than it was asked for."""

    advice = "do not trust this registry or the proxy before it; try another mirror"


class Missing(ImagekitError):
    """This machine lacks something: a tool, an extra, disk space, a permission."""

    exit_code = 5
    advice = "install what is named, or run this on a machine that has it"


class Bug(ImagekitError):
    """imagekit itself is wrong."""

    exit_code = 70
    advice = "please report it with the output of `imagekit version --json` and of the same command with --verbose"


class Interrupted(ImagekitError):
    """The user stopped it."""

    exit_code = 130
    advice = "nothing half-written was left behind; run the command again to go on"


def _count(findings: tuple[Finding, ...]) -> str:
    number = len(findings)
    return f"{number} problem{'s' if number != 1 else ''} found"
