"""Serving until somebody ends it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagekit.emulator.service import Lambda


def until_interrupted(function: Lambda) -> bool:
    """Serve until `stop` is called, or until Ctrl-C or SIGTERM; True for these. Their handlers are put back."""
    interrupted: list[int] = []

    def stop(number: int, _frame: object) -> None:
        interrupted.append(number)
        function.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        function.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return bool(interrupted)
