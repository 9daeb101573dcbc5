"""Logins as Docker keeps them."""

from __future__ import annotations

import base64
import json
from pathlib import Path

#: Who may enter where a test asks for somebody.
USERS = {"ann": "pa:ss wörd"}


def login(folder: Path, *hosts: str, user: str = "ann", password: str = USERS["ann"], **more: str) -> dict[str, str]:
    """An environment with a login in Docker's config.json."""
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    entries = {host: {"auth": auth, **more} for host in hosts}
    (folder / "config.json").write_text(json.dumps({"auths": entries}))
    return {"DOCKER_CONFIG": str(folder), "HOME": str(folder)}
