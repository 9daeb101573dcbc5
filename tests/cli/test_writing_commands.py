"""`init` and `schema`: what a user begins with."""

import json
import os

import pytest
from jsonschema import Draft202012Validator

from imagekit import base, data, language
from tests.support.commandline import CommandLine

MODELINE = "# yaml-language-server: $schema=.imagekit/schema.json"
EXAMPLES = """\
bash            A Bash function on Amazon Linux 2023: a script, and nothing to install
bun             A Bun function on Amazon Linux 2023, in TypeScript
cpp             A C++ function in an empty image
deno            A Deno function on Amazon Linux 2023, in TypeScript
dotnet          A .NET function, compiled ahead of time, on Amazon Linux 2023
fortran         A Fortran program that reads an event and writes an answer, in an empty image
go              A Go function on Amazon Linux 2023
go-al2          A Go function on Amazon Linux 2, for those who cannot leave it yet
graalvm         A Java function as a GraalVM native image, on Amazon Linux 2023
graalvm-binary  A GraalVM native image that somebody else built, as a function
hello           The smallest image: one static C program that answers every event with the event
lua             A Lua function on Amazon Linux 2023, with Lua out of the system's packages
nodejs-19       A Node.js 19 function, a version that Lambda does not manage
nodejs-native   A Node.js function with a module of native code
nodejs-runtime  A Node.js runtime without code, for functions that come as zip files
perl            A Perl function on Amazon Linux 2023, with a Perl of its own
php             A PHP function on Amazon Linux 2023: PHP out of the system's packages, and a dependency of Composer's
php-bref        A PHP function on Bref, out of Bref's images
python-next     A Python function in a Python of your choice, with a native dependency
r               An R function on Amazon Linux 2023, with R out of the system's packages
ruby            A Ruby function on Amazon Linux 2023, with Ruby out of the system's packages
rust            A Rust function on Amazon Linux 2023
swift           A Swift function on Amazon Linux 2023
zig             A Zig program that reads an event and writes an answer, in an empty image
"""
NAMES = [line.split()[0] for line in EXAMPLES.splitlines()]


@pytest.fixture
def imagekit(capsys):
    return CommandLine(capsys)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, empty."""
    here = tmp_path / "My Orders 2"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def written(folder):
    return sorted(os.path.relpath(path, folder) for path in folder.rglob("*") if path.is_file())


def test_the_schema_is_a_valid_one_with_all_languages_and_systems(imagekit, folder):
    ended = imagekit("schema")
    document = json.loads(ended.out)
    Draft202012Validator.check_schema(document)
    assert document["properties"]["language"]["enum"] == sorted(language.known())
    assert document["properties"]["os"]["enum"] == sorted(base.known())
    assert (ended.code, ended.err, written(folder)) == (0, "", [])


def test_installing_the_schema_writes_it_beside_the_spec_and_names_it_there(imagekit, folder):
    (folder / "runtime.yaml").write_text("name: a\n")
    (folder / "runtime.yaml").chmod(0o640)
    ended = imagekit("schema", "--install")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err == "wrote .imagekit/.gitignore\nwrote .imagekit/schema.json\nwrote runtime.yaml\n"
    assert (folder / "runtime.yaml").read_text() == f"{MODELINE}\nname: a\n"
    assert (folder / "runtime.yaml").stat().st_mode & 0o777 == 0o640
    assert (folder / ".imagekit" / "schema.json").read_text() == imagekit("schema").out
    assert (folder / ".imagekit" / ".gitignore").read_text() == "*\n"


def test_installing_the_schema_again_changes_nothing(imagekit, folder):
    (folder / "runtime.yaml").write_text("name: a\n")
    imagekit("schema", "--install")
    before = (folder / "runtime.yaml").stat()
    ended = imagekit("schema", "--install", "-q")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert (folder / "runtime.yaml").stat().st_ino == before.st_ino


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"# yaml-language-server: $schema=https://old.example/s.json\nname: a\n", f"{MODELINE}\nname: a\n".encode()),
        (b"\xef\xbb\xbfname: a\r\n", b"\xef\xbb\xbf" + f"{MODELINE}\r\nname: a\r\n".encode()),
        (b"", f"{MODELINE}\n".encode()),
        (f"{MODELINE}\r\nname: a\r\n".encode(), f"{MODELINE}\r\nname: a\r\n".encode()),
    ],
)
def test_the_line_takes_the_place_of_another_and_keeps_the_files_form(imagekit, folder, before, after):
    (folder / "runtime.yaml").write_bytes(before)
    imagekit("schema", "--install")
    assert (folder / "runtime.yaml").read_bytes() == after


def test_a_link_to_a_spec_stays_a_link(imagekit, folder):
    (folder / "real.yaml").write_text("name: a\n")
    (folder / "runtime.yaml").symlink_to("real.yaml")
    assert imagekit("schema", "--install").code == 0
    assert (folder / "runtime.yaml").is_symlink()
    assert (folder / "real.yaml").read_text() == f"{MODELINE}\nname: a\n"


def test_the_schema_is_never_written_through_a_link(imagekit, folder, tmp_path):
    (folder / "runtime.yaml").write_text("name: a\n")
    (tmp_path / "elsewhere").mkdir()
    (folder / ".imagekit").symlink_to(tmp_path / "elsewhere")
    ended = imagekit("schema", "--install")
    assert (ended.code, ended.err.splitlines()[0]) == (2, "error: .imagekit is a symbolic link")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (folder / "runtime.yaml").read_text() == "name: a\n"


def test_without_a_spec_nothing_is_installed(imagekit, folder):
    ended = imagekit("schema", "--install")
    assert ended.code == 2
    assert ended.err == (
        "error: runtime.yaml cannot be read: No such file or directory\n"
        "  hint: name a spec, or the folder that holds a runtime.yaml; `imagekit init` makes one\n"
    )
    assert written(folder) == []


def test_init_lists_the_examples(imagekit, folder):
    ended = imagekit("init")
    assert (ended.code, ended.out, ended.err) == (0, EXAMPLES, "")


def test_init_says_which_example_fits_a_project_that_is_here(imagekit, folder):
    (folder / "Cargo.toml").touch()
    ended = imagekit("init")
    assert (ended.code, ended.out) == (0, EXAMPLES)
    assert ended.err == "a project is here already: `imagekit init rust` writes a runtime.yaml for it\n"


def test_init_copies_an_example_and_names_it_after_the_folder(imagekit, folder):
    ended = imagekit("init", "hello")
    files = [".gitignore", "README.md", "events/one.json", "main.c", "runtime.yaml"]
    assert (ended.code, ended.out.splitlines()) == (0, files)
    assert ended.err == "next: `imagekit validate`, then `imagekit build`\n"
    assert written(folder) == [".gitignore", ".imagekit/.gitignore", ".imagekit/schema.json", *files[1:]]
    lines = (folder / "runtime.yaml").read_text().splitlines()
    assert (lines[0], lines[2]) == (MODELINE, "name: my-orders-2")
    assert (folder / "main.c").read_bytes() == (data.specs() / "hello" / "main.c").read_bytes()


def test_init_makes_the_folder_it_is_told(imagekit, folder):
    ended = imagekit("init", "hello", "--directory", "services/9-Lives")
    assert ended.code == 0
    assert ended.out.splitlines()[-1] == "services/9-Lives/runtime.yaml"
    assert ended.err == "next: `imagekit validate services/9-Lives`, then `imagekit build services/9-Lives`\n"
    assert "\nname: lives\n" in (folder / "services" / "9-Lives" / "runtime.yaml").read_text()


def test_init_overwrites_nothing(imagekit, folder):
    (folder / "README.md").write_text("mine\n")
    (folder / "main.c").symlink_to("nowhere")
    ended = imagekit("init", "hello")
    assert ended.code == 2
    assert ended.err == (
        "error: already in this folder: README.md, main.c\n"
        "  hint: nothing is ever overwritten: name an empty or new folder with --directory\n"
    )
    assert written(folder) == ["README.md"]


@pytest.mark.parametrize("directory", ["file", "file/below", "nowhere"])
def test_init_says_what_is_in_the_way_of_the_folder(imagekit, folder, directory):
    (folder / "file").touch()
    (folder / "nowhere").symlink_to("gone")
    ended = imagekit("init", "go", "--directory", directory)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"error: {directory.removesuffix('/below')} is no folder\n"
        "  hint: name a folder, or a new one, with --directory\n"
    )
    assert sorted(os.listdir(folder)) == ["file", "nowhere"]


def test_init_says_where_no_folder_can_be_made(imagekit, folder):
    ended = imagekit("init", "go", "--directory", "/proc/zz")
    assert (ended.code, ended.err.splitlines()[0]) == (2, "error: no such file or directory: /proc/zz")


@pytest.mark.parametrize("dangling", [False, True])
def test_what_is_in_the_way_of_imagekits_own_folder_is_told(imagekit, folder, dangling):
    (folder / "runtime.yaml").write_text("name: a\n")
    if dangling:
        (folder / ".imagekit").symlink_to("gone")
    else:
        (folder / ".imagekit").touch()
    ended = imagekit("schema", "--install")
    told = "is a symbolic link" if dangling else "is no folder"
    assert (ended.code, ended.err.splitlines()[0]) == (2, f"error: .imagekit {told}")


def test_init_that_fails_half_way_leaves_nothing(imagekit, folder):
    (folder / "events").write_text("a file where the example has a folder")
    ended = imagekit("init", "hello")
    assert ended.code != 0
    assert written(folder) == ["events"]


def test_init_writes_only_a_spec_for_a_project_that_is_here(imagekit, folder):
    (folder / "go.mod").write_text("module example.com/a\n")
    (folder / "main.go").write_text("package main\n")
    (folder / "README.md").write_text("mine\n")
    ended = imagekit("init", "go")
    assert (ended.code, ended.out) == (0, "runtime.yaml\n")
    assert written(folder) == [
        *(".imagekit/.gitignore", ".imagekit/schema.json", "README.md", "go.mod", "main.go", "runtime.yaml"),
    ]
    assert (folder / "README.md").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("marker", "name"),
    [
        *(("go.mod", "go"), ("Cargo.toml", "rust"), ("CMakeLists.txt", "cpp"), ("app.csproj", "dotnet")),
        *(("pom.xml", "graalvm"), ("Package.swift", "swift")),
    ],
)
def test_every_compiled_language_knows_its_projects(imagekit, folder, marker, name):
    (folder / marker).touch()
    assert imagekit("init", name).out == "runtime.yaml\n"


def test_init_answers_an_unknown_example_with_the_nearest(imagekit, folder):
    ended = imagekit("init", "rst")
    assert ended.code == 2
    assert ended.err == (
        f"error: there is no example 'rst'\n  hint: did you mean `rust`? valid examples: {', '.join(NAMES)}\n"
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_valid_as_init_writes_it(imagekit, folder, name):
    assert imagekit("init", name).code == 0
    ended = imagekit("validate", "--quiet")
    assert ended.code == 0
    assert ("IK0203" in ended.err) == (name == "go-al2")


@pytest.mark.parametrize("name", NAMES)
def test_every_example_has_an_event_and_a_short_readme(name):
    folder = data.specs() / name
    assert [json.loads(path.read_text()) for path in (folder / "events").iterdir()]
    assert len((folder / "README.md").read_text().splitlines()) <= 20
