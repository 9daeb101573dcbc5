"""Sizes for people."""

from __future__ import annotations


def size(number: float) -> str:
    """Bytes in the unit that leaves one to three digits before the point (SI: 1 MB is 1,000,000 bytes)."""
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"
