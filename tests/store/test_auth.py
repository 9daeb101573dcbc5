"""Where credentials come from, in which order, and that none of them is ever shown."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from imagekit.errors import InvalidFile
from imagekit.store.auth import Keyring
from imagekit.store.hosts import Host, Hosts
from imagekit.store.secret import Credential, Kind, Secret

REGISTRY = "registry.corp"


def auth(user: str, password: str = "pw") -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def keyring(environment: Mapping[str, str], hosts: Mapping[str, Host] | None = None, **more: Any) -> Keyring:
    settings = Hosts(hosts=hosts or {}, environment=environment)
    return Keyring(settings, **{"ecr": lambda _: None, **more})


def who(found: Credential | None) -> str:
    return found.username if found else "nobody"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def write(home: Path) -> Callable[..., dict[str, str]]:
    """Writes a login file below the home; returns the environment."""

    def written(path: str, **document: Any) -> dict[str, str]:
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(json.dumps(document))
        return {"HOME": str(home), "PATH": str(home / "bin")}

    return written


@pytest.fixture
def helper(home: Path) -> Callable[[str, str], Path]:
    """Makes a `docker-credential-NAME` out of a shell script; what it was asked stands in NAME.asked."""

    def made(name: str, script: str) -> Path:
        folder, asked = home / "bin", home / f"{name}.asked"
        folder.mkdir(exist_ok=True)
        path = folder / f"docker-credential-{name}"
        path.write_text(f'#!/bin/sh\necho "$1" >> {asked}; /bin/cat >> {asked}; echo >> {asked}\n{script}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return asked

    return made


def answer(user: str, secret: str = "pw") -> str:
    return f"""echo '{json.dumps({"ServerURL": "x", "Username": user, "Secret": secret})}'"""


class TestOrder:
    def test_the_settings_come_before_the_files_before_netrc_before_aws(self, write, home: Path):
        registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
        environment = {**write(".docker/config.json", auths={registry: {"auth": auth("docker")}}), "PW": "x"}
        (home / ".netrc").write_text(f"machine {registry} login netrc password pw\n")
        aws = {"ecr": lambda _: Credential(origin="AWS", username="aws", secret=Secret("t"))}
        hosts = {registry: Host(username="settings", password_env="PW")}
        assert who(keyring(environment, hosts, **aws).find(registry, "app", writes=False)) == "settings"
        assert who(keyring(environment, **aws).find(registry, "app", writes=False)) == "docker"
        (home / ".docker/config.json").unlink()
        assert who(keyring(environment, **aws).find(registry, "app", writes=False)) == "netrc"
        (home / ".netrc").unlink()
        assert who(keyring(environment, **aws).find(registry, "app", writes=False)) == "aws"
        assert who(keyring(environment).find(registry, "app", writes=False)) == "nobody"

    def test_files_are_read_in_the_order_of_how_plainly_they_are_named(self, write, home: Path):
        paths = ("named.json", ".docker/config.json", "run/containers/auth.json", ".config/containers/auth.json")
        for path in paths:
            write(path, auths={REGISTRY: {"auth": auth(path)}})
        environment = {
            "HOME": str(home), "REGISTRY_AUTH_FILE": str(home / "named.json"), "XDG_RUNTIME_DIR": str(home / "run")
        }  # fmt: skip
        for path in paths:
            assert who(keyring(environment).find(REGISTRY, "app", writes=False)) == path
            (home / path).unlink()
        assert keyring(environment).find(REGISTRY, "app", writes=False) is None

    def test_dockers_folder_may_be_named(self, write, home: Path):
        write("elsewhere/config.json", auths={REGISTRY: {"auth": auth("ann")}})
        environment = {"HOME": str(home), "DOCKER_CONFIG": str(home / "elsewhere")}
        assert who(keyring(environment).find(REGISTRY, "app", writes=False)) == "ann"

    def test_a_file_without_an_entry_leaves_it_to_the_next(self, write):
        write(".config/containers/auth.json", auths={REGISTRY: {"auth": auth("podman")}})
        environment = write(".docker/config.json", auths={"other.corp": {"auth": auth("docker")}, REGISTRY: {}})
        assert who(keyring(environment).find(REGISTRY, "app", writes=False)) == "podman"


class TestKeys:
    def test_podmans_keys_may_be_repositories_the_longest_wins(self, write):
        keys = {
            REGISTRY: {"auth": auth("all")}, f"{REGISTRY}/team": {"auth": auth("team")},
            f"{REGISTRY}/team/app": {"auth": auth("app")},
        }  # fmt: skip
        ring = keyring(write(".config/containers/auth.json", auths=keys))
        assert who(ring.find(REGISTRY, "team/app", writes=False)) == "app"
        assert who(ring.find(REGISTRY, "team/other", writes=False)) == "team"
        assert who(ring.find(REGISTRY, "teamster/app", writes=False)) == "all"
        assert who(ring.find("other.corp", "team/app", writes=False)) == "nobody"

    @pytest.mark.parametrize(
        "key", [REGISTRY, f"https://{REGISTRY}", f"https://{REGISTRY}/v2/", f"http://{REGISTRY}/v1/"]
    )
    def test_dockers_keys_may_be_urls(self, write, key: str):
        environment = write(".docker/config.json", auths={key: {"auth": auth("ann")}})
        assert who(keyring(environment).find(REGISTRY, "app", writes=False)) == "ann"

    @pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"])
    def test_docker_hub_has_several_names(self, write, key: str):
        environment = write(".docker/config.json", auths={key: {"auth": auth("ann")}})
        assert who(keyring(environment).find("docker.io", "library/x", writes=False)) == "ann"

    def test_a_port_is_part_of_the_name(self, write):
        environment = write(".docker/config.json", auths={f"{REGISTRY}:5000": {"auth": auth("ann")}})
        assert who(keyring(environment).find(f"{REGISTRY}:5000", "app", writes=False)) == "ann"
        assert keyring(environment).find(REGISTRY, "app", writes=False) is None


class TestEntries:
    def test_an_auth_is_user_and_password(self, write):
        environment = write(".docker/config.json", auths={REGISTRY: {"auth": auth("ann", "p:w")}})
        found = keyring(environment).find(REGISTRY, "app", writes=False)
        assert found is not None
        assert (found.username, found.secret.reveal(), found.kind) == ("ann", "p:w", Kind.BASIC)
        assert found.origin.endswith(".docker/config.json")

    @pytest.mark.parametrize(
        ("entry", "kind", "secret"),
        [
            ({"username": "ann", "password": "pw"}, Kind.BASIC, "pw"),
            ({"auth": auth("ann"), "identitytoken": "refresh"}, Kind.IDENTITY, "refresh"),
            ({"registrytoken": "bearer"}, Kind.BEARER, "bearer"),
        ],
    )
    def test_other_forms_are_read(self, write, entry, kind, secret):
        environment = write(".docker/config.json", auths={REGISTRY: entry})
        found = keyring(environment).find(REGISTRY, "app", writes=False)
        assert found is not None
        assert (found.kind, found.secret.reveal()) == (kind, secret)

    @pytest.mark.parametrize(
        "entry", [{}, {"auth": ""}, {"auth": "%%%"}, {"auth": "w7/Dvw=="}, {"auth": 7}, "x", None, []]
    )
    def test_an_entry_that_says_nothing_is_none(self, write, entry):
        environment = write(".docker/config.json", auths={REGISTRY: entry})
        assert keyring(environment).find(REGISTRY, "app", writes=False) is None

    @pytest.mark.parametrize(
        "text",
        ["", "{", "[]", '"x"', "null", '{"auths": []}', '{"auths": {"a": 1}, "credHelpers": 7, "credsStore": {}}'],
    )
    def test_a_broken_file_is_no_credential_and_no_crash(self, home: Path, text: str, caplog):
        (home / ".docker").mkdir()
        (home / ".docker/config.json").write_text(text)
        ring = keyring({"HOME": str(home)})
        assert ring.find(REGISTRY, "app", writes=False) is None
        if text in ("", "{"):
            assert "the logins in" in caplog.text
            assert len(caplog.records) == 1

    def test_without_a_home_nothing_is_read(self):
        assert keyring({}).find(REGISTRY, "app", writes=False) is None


class TestHelpers:
    def test_the_helper_of_the_registry_is_asked_for_it(self, write, helper):
        asked = helper("corp", answer("helped"))
        environment = write(
            ".docker/config.json",
            credHelpers={REGISTRY: "corp"},
            credsStore="other",
            auths={REGISTRY: {"auth": auth("f")}},
        )
        found = keyring(environment).find(REGISTRY, "app", writes=False)
        assert (who(found), found and found.origin) == ("helped", "docker-credential-corp")
        assert asked.read_text() == f"get\n{REGISTRY}\n"

    def test_the_store_is_asked_for_all_others(self, write, helper):
        asked = helper("store", answer("stored"))
        environment = write(".docker/config.json", credsStore="store")
        assert who(keyring(environment).find("docker.io", "library/x", writes=False)) == "stored"
        assert asked.read_text() == "get\nhttps://index.docker.io/v1/\n"

    def test_a_token_is_told_by_its_user_name(self, write, helper):
        helper("store", answer("<token>", "refresh"))
        found = keyring(write(".docker/config.json", credsStore="store")).find(REGISTRY, "app", writes=False)
        assert found is not None
        assert (found.kind, found.secret.reveal(), found.username) == (Kind.IDENTITY, "refresh", "")

    def test_it_is_asked_once_until_the_registry_refuses_its_answer(self, write, helper):
        asked = helper("store", answer("ann"))
        ring = keyring(write(".docker/config.json", credsStore="store"))
        for _ in range(3):
            ring.find(REGISTRY, "app", writes=False)
        assert asked.read_text().count("get") == 1
        ring.forget(REGISTRY)
        ring.find(REGISTRY, "app", writes=False)
        assert asked.read_text().count("get") == 2

    @pytest.mark.parametrize(
        ("script", "warning"),
        [
            ("echo no keychain >&2; exit 1", "docker-credential-bad has no credentials for registry.corp: no keychain"),
            ("echo not json", "something that is no credential"),
            ("echo '{}'", "something that is no credential"),
            ("""echo '{"Username": 1, "Secret": "hunter2"}'""", "something that is no credential"),
            ("""echo '{"Username": "a", "Secret": ""}'""", "something that is no credential"),
            ("echo '[]'", "something that is no credential"),
            ("kill -9 $$", "has no credentials"),
        ],
    )
    def test_one_that_fails_is_a_warning_and_the_file_is_used(self, write, helper, caplog, script, warning):
        helper("bad", script)
        environment = write(".docker/config.json", credsStore="bad", auths={REGISTRY: {"auth": auth("file")}})
        ring = keyring(environment)
        assert who(ring.find(REGISTRY, "app", writes=False)) == "file"
        assert who(ring.find(REGISTRY, "app", writes=False)) == "file"
        assert warning in caplog.text
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "hunter2" not in caplog.text

    def test_one_that_has_nothing_is_no_warning(self, write, helper, caplog):
        helper("store", "echo credentials not found in native keychain; exit 1")
        assert keyring(write(".docker/config.json", credsStore="store")).find(REGISTRY, "app", writes=False) is None
        assert caplog.records == []

    def test_one_that_is_missing_is_a_warning(self, write, caplog):
        environment = write(".docker/config.json", credsStore="desktop", auths={REGISTRY: {"auth": auth("file")}})
        assert who(keyring(environment).find(REGISTRY, "app", writes=False)) == "file"
        assert "docker-credential-desktop cannot be run for registry.corp: No such file" in caplog.text

    def test_one_that_hangs_is_ended(self, write, helper, caplog):
        helper("slow", "exec /bin/sleep 20")
        started = time.monotonic()
        ring = keyring(write(".docker/config.json", credsStore="slow"), helper_time=0.3)
        assert ring.find(REGISTRY, "app", writes=False) is None
        assert time.monotonic() - started < 5
        assert "docker-credential-slow did not answer for registry.corp in 0.3 s" in caplog.text

    @pytest.mark.parametrize("name", ["../../bin/evil", "a b", "", "-x", "a;b"])
    def test_a_name_that_is_none_is_not_run(self, write, caplog, name):
        environment = write(".docker/config.json", credHelpers={REGISTRY: name})
        assert keyring(environment).find(REGISTRY, "app", writes=False) is None
        assert bool(name) == ("is not run" in caplog.text)

    def test_it_sees_the_environment_that_was_handed_in(self, write, helper, monkeypatch):
        monkeypatch.setenv("MARK", "of the process")
        helper("store", """echo "{\\"Username\\": \\"$MARK\\", \\"Secret\\": \\"x\\"}" """)
        environment = {**write(".docker/config.json", credsStore="store"), "MARK": "handed in"}
        assert who(keyring(environment).find(REGISTRY, "app", writes=False)) == "handed in"


class TestNetrc:
    def test_a_machine_is_a_host_without_its_port(self, home: Path):
        (home / ".netrc").write_text(f"machine {REGISTRY} login ann password pw\n")
        ring = keyring({"HOME": str(home)})
        assert who(ring.find(f"{REGISTRY}:5000", "app", writes=False)) == "ann"
        assert who(ring.for_url(REGISTRY)) == "ann"
        assert ring.for_url("other.corp") is None

    def test_default_is_for_nobody(self, home: Path):
        (home / ".netrc").write_text("default login ann password pw\n")
        assert keyring({"HOME": str(home)}).for_url(REGISTRY) is None

    def test_a_broken_one_is_a_warning_without_its_text(self, home: Path, caplog):
        (home / ".netrc").write_text("machine x login\nhunter2 hunter3\n")
        assert keyring({"HOME": str(home)}).for_url(REGISTRY) is None
        assert ".netrc is not used" in caplog.text


class TestSettings:
    def test_user_and_password_or_a_token(self):
        environment = {"PW": "pw\n", "TOKEN": "tok"}
        ring = keyring(environment, {REGISTRY: Host(username="ann", password_env="PW"), "t": Host(token_env="TOKEN")})
        found = ring.for_url(REGISTRY)
        assert found is not None
        assert (found.username, found.secret.reveal()) == ("ann", "pw")
        assert "PW, by [hosts." in found.origin
        token = ring.for_url("t")
        assert token is not None
        assert token.header == "Bearer tok"

    @pytest.mark.parametrize("host", [Host(username="ann"), Host(password_env="PW")])
    def test_half_of_a_login_is_an_error(self, host: Host):
        with pytest.raises(InvalidFile, match="needs both `username` and `password_env`"):
            keyring({"PW": "x"}, {REGISTRY: host}).for_url(REGISTRY)

    @pytest.mark.parametrize("environment", [{}, {"PW": ""}, {"PW": " "}])
    def test_a_variable_that_is_not_set_is_named(self, environment):
        with pytest.raises(InvalidFile, match="names the variable PW, which is not set"):
            keyring(environment, {REGISTRY: Host(username="ann", password_env="PW")}).for_url(REGISTRY)

    def test_a_registrys_login_is_not_for_files(self, write):
        environment = write(".docker/config.json", auths={REGISTRY: {"auth": auth("ann")}})
        assert keyring(environment).for_url(REGISTRY) is None


class TestAws:
    PRIVATE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"

    def test_ecr_is_asked_once_until_refused(self):
        asked: list[str] = []

        def ecr(registry: str) -> Credential:
            asked.append(registry)
            return Credential(origin="AWS", username="AWS", secret=Secret("t"), renewable=True)

        ring = keyring({}, ecr=ecr)
        for _ in range(2):
            assert who(ring.find(self.PRIVATE, "app", writes=True)) == "AWS"
        ring.forget(self.PRIVATE)
        ring.find(self.PRIVATE, "app", writes=True)
        assert asked == [self.PRIVATE] * 2

    def test_ecr_public_is_asked_for_writes_only(self):
        ring = keyring({}, ecr=lambda registry: Credential(origin="AWS", username=registry, secret=Secret("t")))
        assert ring.find("public.ecr.aws", "lambda/provided", writes=False) is None
        assert who(ring.find("public.ecr.aws", "me/app", writes=True)) == "public.ecr.aws"

    def test_other_registries_are_not_asked_for(self):
        ring = keyring({}, ecr=lambda registry: Credential(origin="AWS", username="AWS", secret=Secret("t")))
        assert ring.find("ghcr.io", "app", writes=True) is None


class TestSecrets:
    def test_a_secret_is_in_no_text(self):
        secret = Secret("hunter2")
        credential = Credential(origin="here", username="ann", secret=secret)
        shown = f"{secret} {secret!r} {secret:} {[secret]} {credential} {credential!r}"
        assert "hunter2" not in shown
        assert auth("ann", "hunter2") not in shown

    def test_a_secret_is_not_written(self):
        with pytest.raises(TypeError):
            pickle.dumps(Secret("hunter2"))

    def test_two_secrets_are_compared_by_value(self):
        assert Secret("a") == Secret("a")
        assert Secret("a") != Secret("b")
        assert len({Secret("a"), Secret("a")}) == 1
