"""The codes of what engines say of packages beside errors."""

from __future__ import annotations

from typing import Final

#: Something of a package is not in the image as the package means it.
LEFT_OUT: Final = "IK0302"
#: Lambda's user cannot use it.
OUT_OF_REACH: Final = "IK0303"
#: The image's own database does not know of it.
UNKNOWN: Final = "IK0304"
