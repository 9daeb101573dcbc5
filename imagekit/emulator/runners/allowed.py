"""Whether this machine lets an ordinary program make user namespaces."""

from __future__ import annotations

import os
from typing import Final

from imagekit.errors import Missing

#: A setting of the kernel, the value that forbids, and whether it forbids root too.
_SETTINGS: Final = (
    ("user/max_user_namespaces", "0", True),
    ("kernel/unprivileged_userns_clone", "0", False),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", False),
)


def forbidden(runner: str) -> Missing | None:
    """Why no user namespace can be made here; None when nothing forbids it."""
    if os.uname().sysname != "Linux":
        return Missing(f"{runner} needs Linux", hint="use --runner docker")
    for name, forbids, binds_root in _SETTINGS:
        if (binds_root or os.geteuid() != 0) and _setting(name) == forbids:
            return Missing(
                f"this machine does not allow user namespaces (sysctl {name.replace('/', '.')} is {forbids})",
                hint=f"as root, `sysctl {name.replace('/', '.')}={_allowing(forbids)}`, or use --runner docker",
            )
    return None


def _setting(name: str) -> str:
    try:
        with open(f"/proc/sys/{name}", encoding="ascii") as file:
            return file.read(64).strip()
    except OSError:
        return ""


def _allowing(forbids: str) -> str:
    return "0" if forbids == "1" else "1"
