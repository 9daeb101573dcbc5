import json

import pytest
from hypothesis import given

from imagekit.errors import RemoteFailed
from imagekit.oci.config import Config, History
from tests.oci.strategies import configs, hostile_configs

DOCKERS = {
    "architecture": "arm64",
    "variant": "v8",
    "os": "linux",
    "created": "2024-01-01T00:00:00Z",
    "id": "0123",
    "parent": "4567",
    "container": "89ab",
    "docker_version": "20.10",
    "container_config": {"Cmd": ["/bin/sh", "-c", "secret"]},
    "config": {
        "Hostname": "0123",
        "User": "993",
        "Env": ["PATH=/bin", "EMPTY=", "WITH=a=b", "NONE"],
        "Cmd": None,
        "Entrypoint": ["/lambda-entrypoint.sh"],
        "WorkingDir": "/var/task",
        "Labels": None,
        "OnBuild": ["RUN x"],
        "Healthcheck": {"Test": ["CMD", "x"]},
        "Volumes": {"/tmp": {}},
        "StopSignal": "SIGTERM",
    },
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]},
    "history": [{"created_by": "ADD x", "created": "2024-01-01T00:00:00Z"}, {"empty_layer": True}],
}


@given(configs)
def test_a_config_survives_its_bytes(config):
    assert Config.from_bytes(config.to_bytes()) == config
    assert Config.from_bytes(config.to_bytes()).to_bytes() == config.to_bytes()


def test_of_dockers_config_the_known_fields_are_kept():
    config = Config.from_bytes(json.dumps(DOCKERS).encode())
    assert json.loads(config.to_bytes()) == {
        "architecture": "arm64",
        "os": "linux",
        "created": "2024-01-01T00:00:00Z",
        "config": {
            "User": "993",
            "Env": ["PATH=/bin", "EMPTY=", "WITH=a=b", "NONE="],
            "Entrypoint": ["/lambda-entrypoint.sh"],
            "WorkingDir": "/var/task",
            "Volumes": {"/tmp": {}},
            "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]},
        "history": [{"created_by": "ADD x", "created": "2024-01-01T00:00:00Z"}, {"empty_layer": True}],
    }


def test_the_order_of_the_environment_is_the_bases():
    names = ["Z", "A", "M"]
    config = Config.from_bytes(json.dumps({"config": {"Env": [f"{name}=1" for name in names]}}).encode())
    assert list(config.environment) == names
    assert json.loads(config.to_bytes())["config"]["Env"] == ["Z=1", "A=1", "M=1"]


@pytest.mark.parametrize("field", ["Env", "Cmd", "Entrypoint"])
@pytest.mark.parametrize("value", [[1], [None], [["x"]], [{}]])
def test_a_list_of_anything_but_texts_is_refused_by_name(field, value):
    with pytest.raises(RemoteFailed, match=field):
        Config.from_bytes(json.dumps({"config": {field: value}}).encode())


@pytest.mark.parametrize("diff_ids", [[None], ["x"], ["sha512:00"], [{}]])
def test_a_wrong_diff_id_is_refused(diff_ids):
    with pytest.raises(RemoteFailed, match="digest"):
        Config.from_bytes(json.dumps({"rootfs": {"diff_ids": diff_ids}}).encode())


def test_a_history_entry_that_is_none_is_empty():
    assert History.from_mapping(None) == History() == History.from_mapping({"created": None, "empty_layer": 1})


@given(hostile_configs)
def test_any_bytes_are_a_config_that_can_be_written_or_refused(data):
    try:
        config = Config.from_bytes(data)
    except RemoteFailed:
        return
    assert Config.from_bytes(config.to_bytes()) == config
