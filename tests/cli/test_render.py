"""`imagekit render`: a spec as one file again, and the image config that it leads to."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from imagekit import project
from imagekit.errors import InvalidSpec
from imagekit.spec.load import load, merged
from imagekit.spec.render import to_yaml

COMMON = """\
labels: {team: payments, "1.0": "no"}
environment: {LEVEL: info, NAME: "{base.PATH}:/x"}
files:
  - {source: shared, target: /opt/shared}
"""
SPEC = """\
extends: common.yaml
name: app
language: custom
os: al2023
version: 3.10
bootstrap: {path: "build/{architecture}/bootstrap"}
environment: {LEVEL: debug}
files:
  - source: src
    target: /var/task/
    exclude: ["*.test.js", '# no comment']
tests:
  - name: numbers
    event: {one: 1, text: "1", none: ~, float: 1.5e3, yes: true, list: [], empty: {}}
    expect: "line\\nbreak \\u2028 \\U0001F600"
"""


def spec_of(text: str, others: dict[str, str] | None = None):
    """The spec that a text holds, without its places and files."""
    files = {"runtime.yaml": text, **(others or {})}
    spec, _ = load("runtime.yaml", lambda name: files[name].encode(), project.known())
    return replace(spec, sources=())


def test_the_text_reads_as_the_same_spec_without_extends(bench):
    bench.write("common.yaml", COMMON)
    bench.write("runtime.yaml", SPEC)
    text = bench.run("render").ok().out
    assert "extends" not in text
    assert spec_of(text) == spec_of(SPEC, {"common.yaml": COMMON})
    assert spec_of(text).version == "3.10"


def test_each_value_has_its_origin(bench):
    bench.write("common.yaml", COMMON)
    bench.write("runtime.yaml", SPEC)
    lines = bench.run("render", "--set", "labels.team=ops", "--set", "handler={x}: #1").ok().lines
    origins = {before.strip(): after for before, _, after in (line.rpartition("  # ") for line in lines)}
    assert origins["team: ops"] == "--set labels.team=ops"
    assert origins['handler: "{x}: #1"'] == "--set handler={x}: #1"
    assert origins["LEVEL: debug"] == "runtime.yaml:7"
    assert origins['NAME: "{base.PATH}:/x"'] == "common.yaml:2"
    assert origins["- source: shared"] == "common.yaml:4"
    assert origins["target: /var/task/"] == "runtime.yaml:10"


def test_credentials_are_in_no_origin_and_a_spec_with_them_is_refused(bench):
    bench.spec()
    outcome = bench.run("render", "--set", "base=https://ada:secret@host/x")
    assert outcome.code == 2
    assert "secret" not in outcome.out + outcome.err


def test_what_is_wrong_with_a_spec_is_said_as_by_validate(bench):
    bench.write("runtime.yaml", "name: app\nlanguage: custom\nos: al2032\nbootstrap: {path: b}\n")
    outcome = bench.run("render")
    assert (outcome.code, outcome.out) == (2, "")
    assert "IK0202" in outcome.err or "al2023" in outcome.err


TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.recursive(st.none() | st.booleans() | st.integers() | TEXTS, lambda c: st.lists(c, max_size=3)
    | st.dictionaries(TEXTS, c, max_size=3), max_leaves=8))  # fmt: skip
def test_any_event_comes_back(value):
    head = "name: app\nlanguage: custom\nos: al2023\nbootstrap: {path: b}\nhandler: h\n"
    document = json.dumps([{"name": "t", "event": value, "expect": 1}], ensure_ascii=True)
    text = head + "tests: " + _yaml(document)
    try:
        wanted = spec_of(text)
    except InvalidSpec:
        assume(False)
    node, _ = merged("runtime.yaml", lambda _: text.encode(), project.known())
    assert spec_of(to_yaml(node)) == wanted


def _yaml(document: str) -> str:
    """JSON with surrogate pairs as YAML has them."""

    def joined(match: re.Match[str]) -> str:
        high, low = (int(half, 16) for half in match.groups())
        return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08X}"

    return re.sub(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", joined, document)


def test_the_config_of_each_platform_is_that_of_the_image(bench):
    bench.write("src/app.js", "app")
    bench.spec(files=[{"source": "src", "target": "/var/task"}], handler="app.handler", labels={"team": "payments"})
    configs = bench.run("render", "--format", "oci-config").ok().document
    assert not bench.lock.exists()
    assert [config["architecture"] for config in configs] == ["amd64", "arm64"]
    assert configs[0]["config"]["Cmd"] == ["app.handler"]
    bench.run("lock").ok()
    configs = bench.run("render", "--format", "oci-config").ok().document
    for config, built in zip(configs, bench.pushed().values(), strict=True):
        assert {key: value for key, value in built.config.items() if key not in ("rootfs", "history")} == config


@pytest.mark.parametrize("form", ["dockerfil", "yaml", ""])
def test_another_format_is_refused(bench, form):
    bench.spec()
    assert bench.run("render", "--format", form).code == 2
