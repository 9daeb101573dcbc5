"""Foreign text on its way to a person: bounded, one line, nothing that a terminal would obey."""

from __future__ import annotations

import re
from typing import Final

#: Characters of a server's words that are shown.
SHOWN: Final = 300
# CSI and OSC sequences and the shorter escapes (ECMA-48, 5.4 and 8.3).
_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")


def cleaned(text: str, limit: int = SHOWN) -> str:
    """`text` without escape sequences and control characters (also those that turn the writing direction), cut."""
    cut = _ESCAPES.sub("", text[: 4 * limit])
    if not cut.isprintable():
        cut = "".join(mark if mark.isprintable() else " " for mark in cut)
    line = " ".join(cut.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
