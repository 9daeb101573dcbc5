"""What `slim: true` leaves out of an image: documentation, and texts in other languages than English."""

from __future__ import annotations

import re
from typing import Final

from imagekit.rpm.files import FileKind, PackagedFile

_DOCUMENTATION: Final = re.compile(r"usr/share/(?:man|info|doc|gtk-doc)/.+")
_LOCALE: Final = re.compile(r"usr/share/(?:locale|man)/(?P<language>[^/]+)/.+")
#: Languages that stay: English, and what belongs to none.
_KEPT: Final = re.compile(r"(?:en|C|POSIX|man\w*|default)(?:[_.@].*)?")


def is_needed(file: PackagedFile) -> bool:
    """False for a file that is left out; licenses always stay."""
    if file.is_license or file.kind is FileKind.DIRECTORY:
        return True
    if file.is_documentation or _DOCUMENTATION.fullmatch(file.path):
        return False
    if file.language and not any(_KEPT.fullmatch(word) for word in file.language.split("|")):
        return False
    locale = _LOCALE.fullmatch(file.path)
    return locale is None or bool(_KEPT.fullmatch(locale["language"]))
