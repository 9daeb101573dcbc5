"""imagekit.toml, and where things are."""

import os

import pytest

from imagekit.cli.configuration import cache_folder, read_hosts
from imagekit.cli.console import Console
from imagekit.cli.session import GlobalOptions, Session
from imagekit.errors import InvalidFile, Missing
from tests.support.terminal import Terminal


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home" / ".config" / "imagekit").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project" / "services" / "a"
    folder.mkdir(parents=True)
    return folder


def environment(home):
    return {"HOME": str(home)}


def mirror(hosts, name):
    return hosts.registry_for_reading(name, "x")[0].authority


def test_the_nearest_file_above_the_spec_counts_and_the_users_own_below_it(project, home):
    own = home / ".config" / "imagekit" / "imagekit.toml"
    own.write_text('[mirrors]\n"a.example" = "own.example"\n"b.example" = "own.example"\n')
    (project.parent.parent / "imagekit.toml").write_text('[mirrors]\n"c.example" = "far.example"\n')
    (project.parent / "imagekit.toml").write_text('[mirrors]\n"a.example" = "near.example"\n')
    hosts = read_hosts(str(project), environment(home))
    assert [mirror(hosts, f"{name}.example") for name in "abc"] == ["near.example", "own.example", "c.example"]


def test_a_file_named_by_xdg_config_home_counts(project, home, tmp_path):
    (tmp_path / "xdg" / "imagekit").mkdir(parents=True)
    (tmp_path / "xdg" / "imagekit" / "imagekit.toml").write_text('[mirrors]\n"a.example" = "xdg.example"\n')
    hosts = read_hosts(str(project), {**environment(home), "XDG_CONFIG_HOME": str(tmp_path / "xdg")})
    assert mirror(hosts, "a.example") == "xdg.example"


def test_options_win_over_files(project, home):
    (project / "imagekit.toml").write_text('[mirrors]\n"a.example" = "file.example"\n"b.example" = "file.example"\n')
    session = Session(environment(home), Console(Terminal()))
    session.options = GlobalOptions(mirror=("a.example=127.0.0.1:5000",), insecure=("c.example",))
    hosts = session.hosts(str(project / "runtime.yaml"))
    assert (mirror(hosts, "a.example"), mirror(hosts, "b.example")) == ("127.0.0.1:5000", "file.example")
    assert hosts.registry("c.example").scheme == "http"
    assert hosts.registry("d.example").scheme == "https"


def test_without_a_spec_the_current_folder_counts(project, home, monkeypatch):
    (project / "imagekit.toml").write_text('[mirrors]\n"a.example" = "here.example"\n')
    monkeypatch.chdir(project)
    assert mirror(Session(environment(home), Console(Terminal())).hosts(), "a.example") == "here.example"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[mirrors\n", "is not TOML: .*line 1"),
        (b"a = '\xff'\n", "is not TOML"),
        (b"a = " + b"[" * 5000, "is not TOML|nested too deeply"),
        (b"#" * 1_100_000, "larger than"),
        (b"[what]\n", "unknown key `what`"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(project, home, content, message):
    (project / "imagekit.toml").write_bytes(content)
    with pytest.raises(InvalidFile, match=message) as caught:
        read_hosts(str(project), environment(home))
    assert str(project / "imagekit.toml") in caught.value.message


@pytest.mark.parametrize(("make", "why"), [(os.mkdir, "Is a directory"), (os.mkfifo, "it is not a regular file")])
def test_what_is_no_file_is_named_and_not_passed_over(project, home, make, why):
    make(project / "imagekit.toml")
    with pytest.raises(InvalidFile, match=why) as caught:
        read_hosts(str(project), environment(home))
    assert caught.value.message.startswith(str(project / "imagekit.toml"))


@pytest.mark.parametrize(
    ("name", "why"),
    [("gone.pem", "cannot be read: No such file"), ("folder", "cannot be read: Is a dir"), ("text", "no certificate")],
)
def test_a_ca_file_that_cannot_be_used_is_told_though_no_tls_is_spoken(bench, name, why):
    (bench.folder / "folder").mkdir()
    bench.write("text", "-----BEGIN PRIVATE KEY-----\n")
    bench.spec()
    for arguments in (["--ca-file", name], []):
        bench.patch.setenv("IMAGEKIT_CA_FILE", "" if arguments else name)
        outcome = bench.run("build", *arguments)
        assert outcome.code == 2
        assert outcome.error[0].startswith(f"error: --ca-file {name} ")
        assert why in outcome.error[0]
    assert bench.registry.seen() == []


def test_a_ca_file_with_certificates_is_taken(bench):
    import certifi

    bench.spec()
    bench.run("build", "--ca-file", certifi.where()).ok()


def test_the_cache_is_where_xdg_says():
    assert cache_folder({"XDG_CACHE_HOME": "/x", "HOME": "/home/a"}) == "/x/imagekit"
    assert cache_folder({"XDG_CACHE_HOME": "relative", "HOME": "/home/a"}) == "/home/a/.cache/imagekit"
    with pytest.raises(Missing, match="HOME is not set"):
        cache_folder({})
