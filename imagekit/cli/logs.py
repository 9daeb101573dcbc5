"""What the rings log, on the console."""

from __future__ import annotations

import logging

from imagekit.cli.console import YELLOW, Console


def show_on(console: Console, *, verbose: bool) -> None:
    """Send imagekit's own records to the console; libraries' records go nowhere, they are not for users."""
    logger = logging.getLogger("imagekit")
    logger.handlers = [_ConsoleHandler(console)]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)


class _ConsoleHandler(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            self._console.say(f"warning: {text}", word="warning:", colour=YELLOW)
        else:
            self._console.say(f"{record.name.rpartition('.')[2]}: {text}")
