"""Making editors complete a spec: the schema in a file beside it, and the line that names that file.

The line is what yaml-language-server reads ("Using inlined schema" in its documentation), and with it most editors.
"""

from __future__ import annotations

import json
import os
import re
import stat
from typing import Any, Final

from imagekit.errors import InvalidFile
from imagekit.store import atomic

_FOLDER: Final = ".imagekit"
_SCHEMA: Final = f"{_FOLDER}/schema.json"
_LINE: Final = f"# yaml-language-server: $schema={_SCHEMA}"
_ANY_LINE: Final = re.compile(r"#[ \t]*yaml-language-server:[ \t]*\$schema=[^\r\n]*")
#: Bytes of a spec that is given the line; the reading of specs has its own bound.
_MAX_SIZE: Final = 4 * 1024 * 1024


def schema_document() -> dict[str, Any]:
    """The JSON Schema of a spec, with the languages and systems that this imagekit has."""
    from imagekit import base, language
    from imagekit.spec import schema

    return schema.document(language.known(), base.known())


def schema_text() -> str:
    """The same as text."""
    return json.dumps(schema_document(), indent=2, ensure_ascii=False)


def install(spec: str) -> tuple[str, ...]:
    """Put the schema beside the spec at this path, and the line into it; returns the paths that changed.

    Raises InvalidFile for a spec that is not there or is no text, and OSError.
    """
    text = _text(spec)
    folder = os.path.join(os.path.dirname(spec), _FOLDER)
    if os.path.islink(folder):
        raise InvalidFile(f"{folder} is a symbolic link", hint="remove it; imagekit makes a folder there")
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise InvalidFile(f"{folder} is no folder", hint="remove it, or rename it; imagekit makes a folder there")
    os.makedirs(folder, exist_ok=True)
    wanted = {
        os.path.join(folder, ".gitignore"): "*\n",
        os.path.join(os.path.dirname(spec), _SCHEMA): f"{schema_text()}\n",
        os.path.realpath(spec): with_line(text),
    }
    return tuple(path for path, content in wanted.items() if _put(path, content))


def with_line(text: str) -> str:
    """The spec's text with the line first, in place of one that names another schema."""
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    found = _ANY_LINE.match(body)
    if found:
        return f"{mark}{_LINE}{body[found.end() :]}"
    newline = "\r\n" if "\r\n" in body.partition("\n")[0] + "\n" else "\n"
    return f"{mark}{_LINE}{newline}{body}"


def _text(spec: str) -> str:
    from imagekit.gather import regular

    try:
        data = regular.read(spec, _MAX_SIZE)
        if len(data) > _MAX_SIZE:
            raise InvalidFile(f"{spec} is larger than {_MAX_SIZE} bytes; this is no spec")
        return data.decode("utf-8")
    except OSError as error:
        hint = "name a spec, or the folder that holds a runtime.yaml; `imagekit init` makes one"
        raise InvalidFile(f"{spec} cannot be read: {error.strerror}", hint=hint) from error
    except UnicodeDecodeError as error:
        raise InvalidFile(f"{spec} is not text in UTF-8") from error


def _put(path: str, content: str) -> bool:
    """Write what is not there yet, keeping the file's mode; True when it was written."""
    data, mode = content.encode("utf-8"), 0o644
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        with open(path, "rb") as file:
            if file.read(len(data) + 1) == data:
                return False
    except FileNotFoundError:
        mode = 0o644
    atomic.write(path, data, mode)
    return True
