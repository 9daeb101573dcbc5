"""`imagekit doctor`: what is missing is named with how to get it, and ends the command with 5."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from imagekit.architecture import ARCHITECTURES
from imagekit.doctor.diagnosis import State
from imagekit.doctor.machine import cache, running
from imagekit.errors import Missing
from tests.support import bench as support
from tests.support.bench import Bench
from tests.support.ecr import AWS_NAME
from tests.support.logins import USERS, login
from tests.support.tokens import Doorkeeper


def looked(bench: Bench, *arguments: str) -> dict[str, Any]:
    """What was found, by topic and subject; the exit code has to fit."""
    outcome = bench.run("doctor", "--json", *arguments)
    document = outcome.document
    missing = [item for item in document["found"] if item["state"] == "missing"]
    assert document["ready"] is (not missing)
    assert outcome.code == (5 if missing else 0)
    return {f"{item['topic']} {item['subject']}": item for item in document["found"]}


def states(found: Mapping[str, Any], topic: str) -> dict[str, str]:
    """The states of one topic by subject."""
    return {key.partition(" ")[2]: item["state"] for key, item in found.items() if key.startswith(f"{topic} ")}


def tool(bench: Bench, name: str, script: str = "exit 0") -> None:
    """A command on a PATH that has little else."""
    bench.write(f"tools/{name}", f"#!/bin/sh\n{script}\n", mode=0o755)
    bench.patch.setenv("PATH", f"{bench.folder}/tools")


def test_a_machine_that_lacks_nothing(bench: Bench):
    tool(bench, "go")
    bench.spec(language="go", bootstrap=None)
    outcome = bench.run("doctor").ok()
    assert "ok       toolchain    go: ready to build for x86_64 and arm64" in outcome.lines
    image = f"{support.PUBLIC}/{support.PROVIDED}:al2023"
    assert f"ok       image        {image}: answers without a login, read from {bench.registry.host}" in outcome.lines
    assert not bench.lock.exists(), "nothing is written"


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the SDK forgets a socket that cannot connect
def test_an_engine_is_needed_by_specs_that_install_by_one(bench: Bench):
    bench.patch.setenv("DOCKER_HOST", f"unix://{bench.folder}/none.sock")
    bench.spec()
    assert states(looked(bench), "docker") == {"engine": "note"}
    assert states(looked(bench, "--engine", "docker"), "docker") == {"engine": "missing"}
    gc.collect()


def test_a_toolchain_that_is_missing_is_named_with_how_to_get_it(bench: Bench):
    tool(bench, "nothing")
    bench.spec(language="go", bootstrap=None)
    outcome = bench.run("doctor")
    assert outcome.code == 5
    line = next(number for number, text in enumerate(outcome.lines) if text.startswith("missing"))
    assert "there is no `go` on this machine: Go needs it to build for x86_64" in outcome.lines[line]
    assert "https://go.dev" in outcome.lines[line + 1]
    assert outcome.error == ["error: 2 things are missing", "  hint: how to get each is said beside it"]


def test_all_that_is_missing_is_said_at_once(bench: Bench):
    tool(bench, "cargo")
    bench.spec(language="rust", bootstrap=None, architectures=["arm64"])
    tools = states(looked(bench), "toolchain")
    assert tools == {"cargo": "ok", "rustc": "missing"}
    tool(bench, "rustc", "exit 1")
    found = looked(bench)["toolchain rustc"]
    assert found["hint"] == "add the target with `rustup target add aarch64-unknown-linux-musl`"


def test_what_installs_dependencies_is_looked_for(bench: Bench):
    tool(bench, "nothing")
    bench.write("package-lock.json", "{}")
    bench.spec(language="nodejs", version="1.2.3", bootstrap=None, archives=[])
    found = looked(bench)
    assert states(found, "toolchain") == {"npm": "missing"}
    assert "install Node.js" in found["toolchain npm"]["hint"]


def test_a_compiler_for_its_own_machine_only_is_missing_for_the_other(bench: Bench):
    tool(bench, "swift")
    bench.spec(language="swift", bootstrap=None)
    found = states(looked(bench), "toolchain")
    assert sorted(found.values()) == ["missing", "ok"]
    assert found["swift"] == "ok"


def test_what_an_own_build_calls_is_not_looked_for(bench: Bench):
    bench.spec(build="make everything")
    assert states(looked(bench), "toolchain") == {"build": "note"}


def test_an_image_that_the_registry_lacks(bench: Bench):
    bench.spec(base=f"{bench.registry.host}/corp/base:1")
    found = looked(bench)[f"image {bench.registry.host}/corp/base:1"]
    assert (found["state"], found["text"]) == ("missing", "the registry has no such image")


def test_a_registry_that_does_not_answer(bench: Bench):
    bench.spec(base="127.0.0.1:1/corp/base:1")
    found = looked(bench)["image 127.0.0.1:1/corp/base:1"]
    assert found["state"] == "missing"
    assert "127.0.0.1:1" in found["text"]


def test_archives_are_asked_for_through_their_mirror(bench: Bench):
    bench.registry.files["/tool-1.tar.gz"] = b"x"
    bench.patch.setenv("IMAGEKIT_MIRROR", f"{support.PUBLIC}={bench.registry.host},example.com={bench.registry.host}")
    items = [{"source": f"https://example.com/tool-{number}.tar.gz", "target": f"/opt/{number}"} for number in (1, 2)]
    bench.spec(archives=items)
    found = looked(bench)
    assert states(found, "archive") == {
        "https://example.com/tool-1.tar.gz": "ok",
        "https://example.com/tool-2.tar.gz": "missing",
    }
    assert bench.registry.seen("tool-1") == ["HEAD /tool-1.tar.gz"], "it is not fetched"


def test_package_repositories_are_asked_where_packages_change(bench: Bench):
    bench.registry.files["/good/repodata/repomd.xml"] = b"x"
    corp = [{"name": name, "baseurl": f"{bench.registry.url}/{name}", "gpgcheck": False} for name in ("good", "gone")]
    bench.patch.setenv("IMAGEKIT_MIRROR", f"{support.PUBLIC}={bench.registry.host},cdn.amazonlinux.com=127.0.0.1:1")
    bench.spec(repositories=corp)
    assert states(looked(bench), "packages") == {}, "nothing of them is read"
    bench.spec(repositories=corp, packages=["jq"])
    found = states(looked(bench), "packages")
    (amazon,) = (name for name in found if "cdn.amazonlinux.com" in name)
    assert amazon.endswith("/"), "the release in the rest of its path is the base's"
    assert found == {
        f"{bench.registry.url}/good/repodata/repomd.xml": "ok",
        f"{bench.registry.url}/gone/repodata/repomd.xml": "missing",
        amazon: "missing",
    }


def test_the_credentials_that_would_be_used_are_named(bench: Bench, tmp_path):
    bench.registry.doorkeeper = Doorkeeper("basic", users=USERS, anonymous="pull")
    bench.spec(push={"to": [bench.repository()]})
    bench.patch.setenv("DOCKER_CONFIG", login(tmp_path, bench.registry.host)["DOCKER_CONFIG"])
    found = looked(bench)[f"push {bench.repository()}"]
    assert found["text"] == f"answers as 'ann' ({tmp_path}/config.json)"
    bench.registry.doorkeeper = Doorkeeper("basic", users={"bob": "x"})
    refused = looked(bench)[f"push {bench.repository()}"]
    assert refused["state"] == "missing"
    assert "refuses us as 'ann'" in refused["text"]


def test_aws_without_credentials(bench: Bench):
    bench.spec(push={"to": [f"{AWS_NAME}/app"]})
    found = looked(bench)[f"push {AWS_NAME}/app"]
    assert found["state"] == "missing"
    assert "Unable to locate credentials" in found["text"]
    assert "aws sso login" in found["hint"]


def test_offline_nobody_is_asked(bench: Bench):
    bench.spec(push={"to": [f"{AWS_NAME}/app"]})
    found = looked(bench, "--offline")
    assert states(found, "network") == {"hosts": "note"}
    assert bench.registry.seen() == []


def test_authorities_are_named_and_a_file_that_is_none_is_missing(bench: Bench):
    bench.spec(push={"to": ["registry.corp/app"]})
    found = looked(bench, "--offline")
    assert found["certificates registry.corp"]["text"].startswith("trusted: ")
    bench.write("imagekit.toml", '[hosts."registry.corp"]\nca = "none.pem"\n')
    found = looked(bench, "--offline")
    assert found["certificates registry.corp"]["state"] == "missing"
    assert "none.pem" in found["certificates registry.corp"]["text"]


def test_without_a_spec_it_looks_at_what_every_spec_needs(bench: Bench):
    found = looked(bench)
    assert set(states(found, "image")) == {f"{support.PUBLIC}/{support.PROVIDED}:{tag}" for tag in ("al2", "al2023")}
    assert states(found, "toolchain") == {}
    bench.patch.setenv("IMAGEKIT_MIRROR", f"{support.PUBLIC}=127.0.0.1:1")
    assert set(states(looked(bench), "image").values()) == {"note"}


def test_a_spec_that_is_not_there_or_not_valid_is_no_matter_of_the_machine(bench: Bench):
    assert bench.run("doctor", "other.yaml").code == 2
    bench.spec(name="NO")
    assert bench.run("doctor").code == 2


class TestRunning:
    """A runner that is missing matters where the spec has tests, and none of its platforms can be run."""

    @staticmethod
    def of(able: set[str], *, needed: bool) -> dict[str, State]:
        def runner(architecture: object, _: str) -> object:
            if str(architecture) in able:
                return SimpleNamespace(name="namespaces")
            raise Missing("this machine does not run it", hint="install qemu")

        machine: Any = SimpleNamespace(runner=runner)
        return {item.subject: item.state for item in running(ARCHITECTURES, machine, needed=needed)}

    @pytest.mark.parametrize(
        ("able", "needed", "expected"),
        [
            ({"x86_64", "arm64"}, True, (State.OK, State.OK)),
            ({"x86_64"}, True, (State.OK, State.NOTE)),
            (set(), True, (State.MISSING, State.MISSING)),
            (set(), False, (State.NOTE, State.NOTE)),
        ],
    )
    def test_it_depends_on_tests_and_on_the_other_platform(self, able, needed, expected):
        assert tuple(self.of(able, needed=needed).values()) == expected


def test_a_cache_where_nothing_can_be_kept_is_noted(tmp_path):
    (found,) = cache(str(tmp_path / "new/folder"))
    assert found.state is State.OK
    (found,) = cache("/proc/new")
    assert found.state is State.NOTE
    assert "--cache-dir" in found.hint
