"""Keeps urllib3 to HTTP/1.1, the only one that it speaks unless it is asked for more."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Final

_HTTP2: Final = "urllib3.http2"


def only() -> None:
    """Put `urllib3.http2` in its place without running it: it imports `importlib.metadata`, 6 ms, for h2's version.

    Its submodules are found as ever, `probe` among them, which every connection over TLS asks.
    """
    package = None if "urllib3" in sys.modules else find_spec("urllib3")
    if package and package.submodule_search_locations:
        folders = [f"{folder}" for folder in package.submodule_search_locations]
        found = PathFinder.find_spec(_HTTP2, folders)
        if found and found.submodule_search_locations:
            sys.modules[_HTTP2] = module_from_spec(found)
