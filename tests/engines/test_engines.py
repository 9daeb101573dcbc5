"""The table of engines, and the names that specs and commands call them."""

from __future__ import annotations

import gc
import json

import pytest

from imagekit import engines
from imagekit.cli.build import build
from imagekit.engines.ports import Means
from imagekit.progress import Silent
from imagekit.spec import schema
from imagekit.spec.packages import NATIVE


def test_specs_and_commands_know_the_names_of_the_table():
    assert json.loads(schema.text())["properties"]["engine"]["enum"] == list(engines.NAMES)
    (option,) = [one for one in build.params if one.name == "engine"]
    assert tuple(option.type.choices) == engines.NAMES
    assert engines.DEFAULT == NATIVE


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the SDK forgets a socket that cannot connect
@pytest.mark.parametrize("name", engines.NAMES)
def test_an_engine_that_lacks_something_says_how_to_get_it(name, tmp_path):
    environment = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    means = Means(fetch=None, cache=None, progress=Silent(), root=str(tmp_path), environment=environment)  # type: ignore[arg-type]
    missing = engines.engine(name, means).missing()
    gc.collect()
    assert missing is None if name == engines.DEFAULT else "no Docker engine can be reached" in missing


def test_a_name_that_is_none_is_refused():
    with pytest.raises(KeyError):
        engines.engine("podman", None)  # type: ignore[arg-type]
