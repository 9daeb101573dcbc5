"""The build hook: makes the runtime client before imagekit is packaged, for wheels and for editable installs."""

from __future__ import annotations

import compileall
import importlib.util
import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class RuntimeClientHook(BuildHookInterface[Any]):
    """Compiles `imagekit/client/source` and adds the two programs to the wheel, which stays pure Python otherwise."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Hatchling calls it first; `version` is `standard` or `editable`."""
        folder = Path(self.root) / "imagekit/client"
        made = _load(folder / "build.py")
        made.build(folder, os.environ)
        build_data["artifacts"] += [f"/imagekit/client/bin/{name}/bootstrap" for name in made.TARGETS]
        if version == "editable":
            # pip compiles what it installs, which an editable install's modules are not. Where PYTHONDONTWRITEBYTECODE
            # is set, as in many containers, each start would compile them anew: 80 ms.
            compileall.compile_dir(folder.parent, quiet=2)


def _load(file: Path) -> Any:
    """The module in that file; imagekit itself is not installed, and what it needs may not be either."""
    found = importlib.util.spec_from_file_location("imagekit_client_build", file)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
