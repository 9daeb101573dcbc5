"""As much of a terminal as is needed to say what its user sees."""

from __future__ import annotations

import io
import re

_TOKEN = re.compile(r"\x1b\[(\d*)([A-Zm])|\r|\n|[^\x1b\r\n]+")


class Terminal(io.StringIO):
    """A stream that says that it is a terminal; `screen` is what it shows."""

    def isatty(self) -> bool:
        return True

    @property
    def screen(self) -> list[str]:
        """The lines, the cursor's empty last one left out; sequences that it does not know are a failure."""
        lines, row = [""], 0
        for token in _TOKEN.finditer(self.getvalue()):
            text, number, name = token[0], token[1], token[2]
            if name == "A":
                row -= int(number or 1)
                assert row >= 0, "the cursor left the screen"
            elif name == "J":
                lines[row:] = [""]
            elif text == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif name != "m" and text != "\r":
                assert not name, f"an unknown sequence {text!r}"
                lines[row] = text
        return lines[:-1] if lines[-1] == "" else lines
