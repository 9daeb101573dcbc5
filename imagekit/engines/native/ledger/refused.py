"""Why a scriptlet is not one that can be left out or done without running it."""

from __future__ import annotations


class Refused(Exception):
    """Raised with the reason; never seen by a user as it is."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
