"""The one function that turns a value into canonical JSON bytes: sorted keys, no spaces, UTF-8."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from imagekit.errors import RemoteFailed

#: JSON as the standard library gives it; foreign documents are read field by field into frozen values.
Json = Any


def to_bytes(value: Json) -> bytes:
    """Canonical bytes of a JSON value; the same value gives the same bytes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def mapping_from_bytes(data: bytes, what: str) -> Mapping[str, Json]:
    """The JSON object in foreign bytes; raises RemoteFailed naming `what`."""
    try:
        value = json.loads(data.decode("utf-8"))
        to_bytes(value)  # NaN, 1e999 and lone surrogates can be read, but never be written again
    except (ValueError, RecursionError) as error:
        raise RemoteFailed(
            f"{what} is not JSON: {error}", hint="the source holds something else under this name"
        ) from error
    if not isinstance(value, dict):
        raise RemoteFailed(f"{what} is JSON, but not an object", hint="the source holds something else under this name")
    return value
