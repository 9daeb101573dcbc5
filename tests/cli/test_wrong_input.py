"""Whatever is wrong is said in one message with its place and what to do, and nothing half-written is left.

Whole messages are compared. `{folder}`, `{root}` and `{host}` in them are the spec's folder, that above it, and the
registry.
"""

from __future__ import annotations

import gzip
import io
import json
import socket
import tarfile
from dataclasses import dataclass, field
from typing import Any

import pytest

from imagekit import language
from tests.support import bench as support
from tests.support import faults
from tests.support.bench import Bench, Outcome
from tests.support.faults import Fault
from tests.support.permissions import binding
from tests.support.registry import Registry, tls_context

ZEROS = "0" * 64
MANY = "error: {} found\n  hint: mend what is listed above; `imagekit schema` prints the contract\n"
ONE = MANY.format("1 problem")
BASE = "public.ecr.aws/lambda/provided:al2023"


def said(bench: Bench, outcome: Outcome) -> str:
    """What was said on stderr, without what went well before, and without what differs from run to run."""
    told = [line for line in outcome.err.splitlines() if line not in ("wrote runtime.lock", "x86_64 bootstrap: 17 B")]
    text = "".join(f"{line}\n" for line in told)
    for found, name in ((str(bench.folder), "{folder}"), (str(bench.folder.parent), "{root}")):
        text = text.replace(found, name)
    return text.replace(bench.registry.host, "{host}")


def nothing_is_half_written(bench: Bench) -> None:
    assert not (bench.folder / ".imagekit/app").exists()
    assert not list(bench.folder.parent.rglob(".imagekit-*"))
    if bench.lock.exists():
        assert bench.locked["format"] == 1


# The text


@dataclass(frozen=True)
class Text:
    """A spec's bytes and what is said of them."""

    text: str | bytes
    message: str
    files: dict[str, str] = field(default_factory=dict)


TEXTS = {
    "not YAML": Text(
        "name: [\n",
        "runtime.yaml:2:1: error[IK0002]: the text is not YAML: "
        "while parsing a flow node did not find expected node content\n  hint: check indentation and quotes here\n",
    ),
    "empty": Text(
        "",
        "runtime.yaml:1:1: error[IK0103]: the file is empty\n"
        "  hint: begin with the keys `name`, `language` and `os`; `imagekit init` writes a spec to start from\n",
    ),
    "a list": Text(
        "- name\n",
        "runtime.yaml:1:1: error[IK0103]: a spec is a mapping, not a list\n"
        "  1 | - name\n      ^\n"
        "  hint: begin with the keys `name`, `language` and `os`; `imagekit init` writes a spec to start from\n",
    ),
    "no text at all": Text(
        b"PK\x03\x04\x00",
        "runtime.yaml:1:3: error[IK0002]: the character U+0003 may not stand in YAML\n"
        "  hint: remove it; is this a text file?\n",
    ),
    "not UTF-8": Text(
        "name: x".encode("utf-16"),
        "runtime.yaml:1:1: error[IK0002]: byte 0 is not UTF-8\n  hint: save the file as UTF-8\n",
    ),
    "ten megabytes of aliases": Text(
        "a: &a x\nb: [" + "*a, " * 2_500_000 + "]\n",
        "runtime.yaml: error[IK0005]: the file is larger than the 1048576 bytes that a spec has at most\n"
        "  hint: is this the right file?\n",
    ),
    "aliases of aliases": Text(
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        "runtime.yaml:7:8: error[IK0005]: more than 20000 values in one file\n"
        "  7 | g: &g [*f, *f, *f, *f]\n             ^\n"
        "  hint: make it smaller, and count what its aliases stand for\n",
    ),
    "twenty thousand brackets": Text(
        "[" * 20_000,
        "runtime.yaml:1:65: error[IK0005]: nested more than 64 deep\n"
        f"  1 | {'[' * 120}\n{' ' * 65}^\n  hint: a spec is nearly flat\n",
    ),
    "a key twice": Text(
        "name: a\nname: b\n",
        "runtime.yaml:2:1: error[IK0004]: the key 'name' is written twice\n"
        "  2 | name: b\n      ^\n  hint: remove one; the other is in line 1\n",
    ),
    "a circle of extends": Text(
        "extends: common.yaml\n",
        "common.yaml:1:10: error[IK0006]: `extends` goes in a circle: runtime.yaml → common.yaml → runtime.yaml\n"
        "  1 | extends: runtime.yaml\n               ^\n  hint: take one of them out of `extends`\n",
        {"common.yaml": "extends: runtime.yaml\n"},
    ),
    "extends nothing": Text(
        "extends: gone.yaml\n",
        "runtime.yaml:1:10: error[IK0001]: 'gone.yaml' cannot be read: No such file or directory\n"
        "  1 | extends: gone.yaml\n               ^\n  hint: correct the path\n",
    ),
}


@pytest.mark.parametrize("command", ["build", "lock", "validate"])
@pytest.mark.parametrize("case", TEXTS.values(), ids=TEXTS.keys())
def test_a_text_that_is_no_spec(bench, case, command):
    for name, text in case.files.items():
        bench.write(name, text)
    bench.write("runtime.yaml", case.text)
    outcome = bench.run(command)
    assert (outcome.code, outcome.out, said(bench, outcome)) == (2, "", case.message + ONE)
    assert bench.registry.seen() == []
    nothing_is_half_written(bench)


@pytest.mark.parametrize("command", ["build", "lock", "validate", "plan", "push", "outdated"])
def test_a_spec_that_is_not_there(bench, command):
    outcome = bench.run(command, "nowhere")
    message = (
        "nowhere: error[IK0001]: 'nowhere' cannot be read: No such file or directory\n"
        "  hint: name a spec, or the folder that holds a runtime.yaml\n"
    )
    assert (outcome.code, said(bench, outcome)) == (2, message + ONE)


# The values


def value(key: str, written: str, line: int, column: int, finding: str, hint: str) -> tuple[dict[str, Any], str]:
    """A spec with one wrong value, and what is said of it."""
    excerpt = f"  {line} | {written}\n{' ' * (len(f'  {line} | ') + column - 1)}^\n"
    where = f"runtime.yaml:{line}:{column}: {finding}\n"
    return json.loads(f"{{{written.strip().rstrip(',')}}}"), f"{where}{excerpt}  hint: {hint}\n"


KEYS = (
    "architectures, archives, base, bootstrap, build, certificates, engine, environment, extends, files, handler, "
    "kind, labels, language, name, os, packages, push, remove, repositories, root, run, scriptlets, slim, tests, "
    "upgrade, version, weak_dependencies"
)
VALUES = {
    "an unknown key": value(
        "nmae", ' "nmae": "x"', 8, 2, "error[IK0101]: unknown key 'nmae'",
        f"did you mean `name`? valid keys here: {KEYS}",
    ),
    "an unknown language": value(
        "language", ' "language": "klingon",', 3, 14, "error[IK0201]: `language` cannot be 'klingon'",
        f"valid values: {', '.join(language.known())}",
    ),
    "an unknown system": value(
        "os", ' "os": "al2024",', 4, 8, "error[IK0202]: `os` cannot be 'al2024'",
        "did you mean `al2023`? valid values: al2, al2023, scratch",
    ),
    "a name that no registry takes": value(
        "name", ' "name": "My App",', 2, 10, "error[IK0104]: `name` cannot be 'My App'",
        "it has to be lower-case letters, digits and hyphens, at most 63, beginning with a letter",
    ),
    "a reference that does not parse": value(
        "base", ' "base": "corp/base:a:b"', 8, 10, "error[IK0104]: 'corp/base:a:b' is no image reference",
        "write host/name:tag, host/name@sha256:… or oci:DIR",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", VALUES.values(), ids=VALUES.keys())
def test_a_value_that_cannot_be(bench, case):
    changes, message = case
    bench.spec(**changes)
    outcome = bench.run("build")
    assert (outcome.code, outcome.out, said(bench, outcome)) == (2, "", message + ONE)
    assert bench.registry.seen() == []


@pytest.mark.parametrize(
    ("changes", "finding", "hint"),
    [
        ({"architectures": ["arm"]}, "9:3: error[IK0104]: `architectures.0` cannot be 'arm'", "did you mean `arm64`?"),
        ({"labels": {"a b": "x"}}, "9:3: error[IK0104]: 'a b' is no name of a label", "use printable ASCII without"),
        ({"push": {"tags": ["v 1"]}}, "10:4: error[IK0104]: 'v 1' is no tag", "use letters, digits and _ . -"),
        ({"push": {"tags": ["v" * 122]}}, "10:4: error[IK0104]: the tag '", "a tag has at most 121: imagekit appends"),
        ({"push": {"to": ["x.com/y:1"]}}, "10:4: error[IK0104]: 'x.com/y:1' is more than a repository", "tags"),
        ({"push": {"to": ["x.com/Y"]}}, "10:4: error[IK0104]: 'x.com/Y' is no repository", "write host/name with"),
        ({"environment": {"AWS_REGION": "x"}}, "9:3: error[IK0106]: Lambda sets AWS_REGION itself", "remove it, or"),
        ({"environment": {"A": "{base.X"}}, "9:8: error[IK0105]: a stray brace in '{base.X'", "a placeholder is"),
        ({"files": [{"source": "../x", "target": "/x"}]}, "10:14: error[IK0104]: '../x' leaves `root`", "set `root`"),
        (
            {"files": [{"source": "x", "target": "/opt/.wh.foo"}]},
            "11:14: error[IK0104]: '/opt/.wh.foo' has a name that begins with .wh.",
            "such a name removes files",
        ),
        ({"files": [{"source": "/x", "target": "/x"}]}, "10:14: error[IK0104]: '/x' is an absolute path", "write it"),
        ({"files": [{"source": "x", "target": "x"}]}, "11:14: error[IK0104]: 'x' is no absolute path", "begin it"),
        (
            {"archives": [{"source": "https://me:pw@x.com/a", "target": "/x"}]},
            "10:14: error[IK0109]: this URL carries user info or a signature",
            "put user and password into imagekit.toml or ~/.netrc",
        ),
        ({"bootstrap": {"path": "{rust_target}"}}, "6:11: error[IK0105]: unknown placeholder {rust_target}", ""),
    ],
)  # fmt: skip
def test_a_value_deep_inside(bench, changes, finding, hint):
    bench.spec(**changes)
    outcome = bench.run("build")
    assert outcome.code == 2
    assert finding in outcome.err
    assert f"  hint: {hint}" in outcome.err
    assert "pw" not in outcome.err
    assert bench.registry.seen() == []


# Files on disk


def missing(bench: Bench) -> None:
    """Nothing is there."""


def outside(bench: Bench) -> None:
    bench.folder.joinpath("source").symlink_to("/etc")


def link(bench: Bench) -> None:
    bench.write("source/x")
    bench.folder.joinpath("source/link").symlink_to("../../elsewhere")


def dangling(bench: Bench) -> None:
    bench.folder.joinpath("source").symlink_to("nowhere")


def listens(bench: Bench) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("source")


def listens_inside(bench: Bench) -> None:
    bench.write("source/x")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("source/socket")


def whiteout(bench: Bench) -> None:
    bench.write("source/.wh.etc")


PATHS = {
    missing: "source: No such file or directory|paths are relative to {folder}; correct it, or set `root`",
    outside: "source leads to /etc, outside {folder}|set `root` to a folder that holds both, such as `root: ..`",
    link: "source/link leads to {root}/elsewhere, which is outside {folder}|"
    "set `root` to a folder that holds both, or copy the file; an image cannot see your disk",
    dangling: "source: No such file or directory|paths are relative to {folder}; correct it, or set `root`",
    listens: "source is neither a file nor a folder|name one; an image holds no devices, pipes and sockets",
    listens_inside: "source/socket is a device, a pipe or a socket; "
    "an image holds files, directories and symlinks|exclude it",
    whiteout: "'source/.wh.etc': the path has a name that begins with .wh., "
    "which would remove a file of the image|rename it, or exclude it",
}


@pytest.mark.parametrize("prepare", PATHS)
def test_a_file_that_cannot_get_in(bench, prepare):
    bench.spec(files=[{"source": "source", "target": "/opt"}])
    prepare(bench)
    outcome = bench.run("build")
    what, _, hint = PATHS[prepare].partition("|")
    expected = f"error: {what}\n  at runtime.yaml:9:3\n  hint: {hint}\n"
    assert (outcome.code, outcome.out, said(bench, outcome)) == (2, "", expected)
    nothing_is_half_written(bench)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (("/opt/x", "/opt/x/y"), "the path '/opt/x' is a directory, or has entries below it, and there is a file"),
        (("/opt/x/y", "/opt/x"), "the path '/opt/x' is a file, and there is a directory in its place"),
        (("/opt/x", "/opt/x"), "the path '/opt/x' comes twice into one layer, with different content, mode or owner"),
    ],
)
def test_files_that_meet_each_other_are_told_at_the_second_one(bench, targets, message):
    bench.write("one", "1")
    bench.write("two", "2")
    bench.spec(files=[{"source": name, "target": to} for name, to in zip(("one", "two"), targets, strict=True)])
    outcome = bench.run("build")
    assert outcome.code == 3
    assert outcome.error[0].startswith(f"error: {message}")
    assert outcome.error[1] == "  at runtime.yaml:13:3"


INTO = "choose another target; a layer never replaces something of another kind, nor leads through it"
TARGETS = {
    "/lib64": (
        "the path '/lib64' is a file, and the base image has a symlink to 'usr/lib64' in its place",
        "end the target with `/` to put it into the folder that the symlink leads to, or choose another",
    ),
    "/etc": ("the path '/etc' is a file, and there is a directory in its place", INTO),
    "/etc/passwd/": (
        "the path '/etc/passwd' is a directory, or has entries below it, and there is a file of the base image "
        "in its place",
        INTO,
    ),
    "/lib64/libc.so.6/x": (
        "the path '/usr/lib64/libc.so.6' is a directory, or has entries below it, and there is a file of the base "
        "image in its place",
        INTO,
    ),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("system", ["al2023", "al2"])
def test_a_target_that_the_base_has_as_something_else(bench, target, system):
    bench.write("source", "x")
    bench.spec(os=system, architectures=["x86_64"], files=[{"source": "source", "target": target}])
    outcome = bench.run("build")
    message, hint = TARGETS[target]
    assert (outcome.code, outcome.out) == (3, "")
    assert said(bench, outcome).endswith(f"error: {message}\n  at runtime.yaml:12:3\n  hint: {hint}\n")
    nothing_is_half_written(bench)


@pytest.mark.parametrize("path", ["source", "source/x"])
def test_a_file_that_cannot_be_read(bench, path):
    bench.spec(files=[{"source": "source", "target": "/opt"}])
    bench.write("source/x")
    (bench.folder / path).chmod(0)
    with binding():
        outcome = bench.run("build")
    (bench.folder / path).chmod(0o755)
    assert outcome.code == 2
    assert "permission denied" in outcome.err.lower()
    assert "  at runtime.yaml:9:3\n  hint: make it readable" in outcome.err


def test_a_root_that_is_no_folder_is_blamed_itself(bench):
    for root, what in (
        ("../nowhere", "{root}/nowhere, which does not exist"),
        ("bootstrap", "bootstrap, whi"),
    ):
        bench.spec(root=root)
        for command in ("build", "lock", "plan"):
            outcome = bench.run(command)
            assert outcome.code == 2
            assert said(bench, outcome).startswith(f"error: `root` leads to {what}")
            assert "  at runtime.yaml:8:10\n  hint: name the folder that local paths are" in outcome.err
    assert bench.registry.seen() == []
    assert not bench.lock.exists()


@pytest.mark.parametrize("name", ["oci:../base", "oci-archive:../base", "oci:..:tag", "oci:x/../../y@sha256:" + ZEROS])
def test_a_local_image_does_not_leave_root(bench, name):
    for changes in ({"base": name}, {"files": [{"image": name, "source": "/x", "target": "/x"}]}):
        bench.spec(**changes)
        outcome = bench.run("validate")
        assert outcome.code == 2
        assert "leaves `root`" in outcome.err
        assert "hint: set `root` to a folder that holds both, such as `root: ..`" in outcome.err
    bench.spec(base="oci:/var/base")
    assert "'/var/base' is an absolute path" in bench.run("validate").err


def test_a_local_image_behind_a_symlink_does_not_leave_root_either(bench):
    (bench.folder.parent / "elsewhere").mkdir()
    bench.folder.joinpath("link").symlink_to("../elsewhere")
    hint = "set `root` to a folder that holds both, such as `root: ..`"
    files = [{"image": "oci:link", "source": "/x", "target": "/x"}]
    for changes, place in (({"base": "oci:link"}, "8:10"), ({"files": files}, "9:3")):
        bench.spec(**changes)
        outcome = bench.run("build")
        expected = f"error: oci:link leads to {{root}}/elsewhere, outside {{folder}}\n  at runtime.yaml:{place}\n"
        assert (outcome.code, said(bench, outcome)) == (2, f"{expected}  hint: {hint}\n")
        assert not bench.lock.exists()


# Archives


def archive(*members: tuple[str, dict[str, Any]]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, fields in members:
            member = tarfile.TarInfo(name)
            for key, found in fields.items():
                setattr(member, key, found)
            tar.addfile(member, io.BytesIO(bytes(member.size)))
    return target.getvalue()


AGAIN = "get the archive again, or look at it with `tar -tvf`"
STAYS = "only relative paths that stay inside the image can be put into it"
ARCHIVES = {
    "nothing": (b"", "it is empty", AGAIN),
    "another file": (b"<html>Sign in</html>" * 100, "it is damaged or not a tar archive: a number is not octal", AGAIN),
    "cut off": (archive(("x", {"size": 2000}))[:600] + bytes(600), "it is cut off (after 'x')", AGAIN),
    "climbs out": (archive(("../x", {})), "the path '../x' climbs out with `..`", STAYS),
    "absolute": (archive(("/etc/x", {})), "the path '/etc/x' is absolute", STAYS),
    "whiteout": (
        archive(("a/.wh.x", {})),
        "the path 'a/.wh.x' has a name that begins with .wh., which would remove a file of the image",
        STAYS,
    ),
    "device": (
        archive(("null", {"type": tarfile.CHRTYPE})),
        "'null' is a device or pipe; an image holds files, directories and symlinks",
        "pack the archive without it",
    ),
    "below its own symlink": (
        archive(("l", {"type": tarfile.SYMTYPE, "linkname": "/etc"}), ("l/x", {})),
        "'opt/l/x' lies below 'opt/l', a symlink of the same archive",
        "an archive that writes through its own symlinks is not to be trusted; pack it anew",
    ),
}


@pytest.mark.parametrize("case", ARCHIVES.values(), ids=ARCHIVES.keys())
def test_a_hostile_archive(bench, case):
    data, message, hint = case
    url = f"http://{bench.registry.host}/a.tar"
    bench.registry.files["/a.tar"] = data
    bench.spec(archives=[{"source": url, "target": "/opt"}])
    outcome = bench.run("build")
    expected = f"error: http://{{host}}/a.tar: {message}\n  at runtime.yaml:9:3\n  hint: {hint}\n"
    assert (outcome.code, outcome.out, said(bench, outcome)) == (3, "", expected)
    nothing_is_half_written(bench)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(archive(("x", {"size": 2000})))[:-9], "it is cut off"),
        (b"PK\x03\x04 and no more", "it is damaged (File is not a zip file)"),
        (archive(("a/b", {})), "strip: 3 leaves nothing of vendor/a.tar; its entries are at most 2 deep"),
    ],
    ids=["cut off", "zip", "strip"],
)
def test_a_local_archive_is_called_as_the_spec_calls_it(bench, data, message):
    bench.write("vendor/a.tar", data)
    bench.spec(archives=[{"source": "vendor/a.tar", "target": "/opt", "strip": 3}])
    outcome = bench.run("build")
    assert (outcome.code, outcome.out) == (3, "")
    assert message in outcome.error[0]
    assert "vendor/a.tar" in outcome.error[0]
    assert str(bench.folder) not in outcome.err
    assert outcome.error[1] == "  at runtime.yaml:9:3"


def test_an_archive_with_another_checksum_is_not_locked(bench):
    bench.registry.files["/a.tar"] = b"x"
    bench.spec(archives=[{"source": f"http://{bench.registry.host}/a.tar", "target": "/opt", "sha256": ZEROS}])
    outcome = bench.run("build")
    assert (outcome.code, said(bench, outcome)) == (
        3,
        f"error: http://{{host}}/a.tar has another checksum: expected sha256:{ZEROS}, "
        "got sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 (1 bytes)\n"
        "  hint: find out why the bytes changed before you take a new checksum over\n",
    )
    assert not bench.lock.exists()


def test_an_archive_that_is_not_what_was_locked_is_not_built(bench):
    bench.registry.files["/a.tar"] = archive(("x", {}))
    bench.spec(archives=[{"source": f"http://{bench.registry.host}/a.tar", "target": "/opt"}])
    bench.run("lock").ok()
    before = bench.lock.read_bytes()
    bench.registry.files["/a.tar"] = archive(("y", {}))
    bench.patch.setenv("IMAGEKIT_CACHE_DIR", str(bench.folder.parent / "an empty cache"))
    outcome = bench.run("build")
    assert outcome.code == 3
    assert outcome.error[0].startswith(
        f"error: http://{bench.registry.host}/a.tar has another checksum: expected sha256:"
    )
    assert bench.lock.read_bytes() == before
    nothing_is_half_written(bench)


# Bases


def without_an_architecture() -> Any:
    return support.base("oci", ("amd64",))


def with_another_layer(media_type: str) -> Any:
    def change(manifest: dict[str, Any], config: dict[str, Any]) -> None:
        manifest["layers"][1]["mediaType"] = media_type

    return support.variant(support.base(), change)


@pytest.mark.parametrize("kind", ["tar+zstd", "tar"])
def test_a_base_with_a_layer_that_is_not_gzip(bench, kind):
    media_type = f"application/vnd.oci.image.layer.v1.{kind}"
    image = with_another_layer(media_type)
    layer = json.loads(next(iter(image.manifests.values())))["layers"][1]["digest"]
    support.put(bench.registry, image, support.PROVIDED, "al2023")
    bench.spec()
    outcome = bench.run("build")
    assert (outcome.code, said(bench, outcome)) == (
        3,
        f"error: the base {BASE} has the layer {layer} of type {media_type}; Lambda takes gzip only\n"
        "  at runtime.yaml:4:8\n"
        "  hint: choose a base with gzip layers, or push this one again with gzip compression\n",
    )
    nothing_is_half_written(bench)


def test_a_base_without_one_of_the_platforms(bench):
    support.put(bench.registry, without_an_architecture(), support.PROVIDED, "al2023")
    bench.spec()
    outcome = bench.run("build")
    assert (outcome.code, said(bench, outcome)) == (
        2,
        f"error: {BASE}: the index has no image for linux/arm64; it has linux/amd64\n"
        "  hint: leave that architecture out of `architectures`, or choose another base\n",
    )
    assert not bench.lock.exists()
    bench.spec(architectures=["x86_64"])
    bench.run("build").ok()


# Registries


ANSWER = "GET http://{host}/v2/lambda/provided/manifests/al2023"
DENIED = b'{"errors": [{"code": "DENIED", "message": "not \\u001b[2Jyou"}]}'
LATER = {"Retry-After": "9999"}
MANIFEST = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.index.v1+json\r\n\r\n"
ELSE = "something else answers here than was expected: check the address, and the proxy before it"
PLAIN = (
    'name its certificate authority with --ca-file FILE, or as `ca` of [hosts."{host}"] in imagekit.toml; '
    "where it is named by --insecure, leave that out"
)
REGISTRIES: dict[str, tuple[Fault, str, str]] = {
    "401": (
        faults.status(401, DENIED),
        f"{BASE}: 401 with no way to log in that is known; the server names none ({ANSWER})",
        "registries ask for Bearer or Basic; look at the proxy before it",
    ),
    "403": (
        faults.status(403, DENIED),
        f"{{host}} does not let us pull {BASE} without credentials: DENIED: not you (403 to {ANSWER})",
        "log in as somebody who may: `docker login {host}`",
    ),
    "400 of Go's TLS server": (
        faults.status(400, b"Client sent an HTTP request to an HTTPS server.\n"),
        f"{BASE}: {{host}} speaks TLS, and was asked in plain http: Client sent an HTTP request to an HTTPS server. "
        f"(400 to {ANSWER})",
        PLAIN,
    ),
    "400 of nginx": (
        faults.status(400, b"<html><center>The plain HTTP request was sent to HTTPS port</center></html>"),
        f"{BASE}: {{host}} speaks TLS, and was asked in plain http (400 to {ANSWER})",
        PLAIN,
    ),
    "400": (
        faults.status(400, b"no"),
        f"{{host}} does not take {BASE}: no (400 to {ANSWER})",
        "the registry's own words say what it does not like",
    ),
    "404": (
        faults.status(404),
        f"no such image, or no access to it: {BASE} without credentials (404 to {ANSWER})",
        "check name and tag, and the login",
    ),
    "429": (
        faults.status(429, headers=LATER),
        f"{BASE}: {{host}} has had too many requests, and stays with that (429 to {ANSWER})",
        "wait a while, log in (logged-in users may ask more), or read through a --mirror",
    ),
    "500": (
        faults.status(500, headers=LATER),
        f"{{host}} has trouble with {BASE} (500 to {ANSWER})",
        "try again later; look at the registry's own log",
    ),
    "a page of HTML": (
        faults.garbage(),
        f"{BASE}: the manifest is not JSON: 200 with text/html ({ANSWER})",
        ELSE,
    ),
    "endless body": (
        faults.endless(MANIFEST, b" " * 65536),
        f"{BASE}: the answer is larger than 4194304 bytes ({ANSWER})",
        ELSE,
    ),
    "elsewhere": (
        faults.redirect("http://169.254.169.254/latest"),
        f"{BASE}: {{host}} sends us to http://169.254.169.254/latest, which is not followed: it is plain http",
        "do not trust this server or the proxy before it; a server of your own is named by --mirror or [hosts]",
    ),
    "a file": (
        faults.redirect("file:///etc/passwd"),
        f"{BASE}: this URL is not followed: 'file:///etc/passwd' (only http and https are spoken)",
        "URLs are http(s)://host[:port]/path, without user info; look at the proxy or server that gave it",
    ),
}


@pytest.mark.parametrize("case", REGISTRIES.values(), ids=REGISTRIES.keys())
def test_a_registry_that_fails(bench, case):
    fault, message, hint = case
    bench.spec()
    bench.registry.fault("GET .*/manifests/al2023", fault, times=99)
    outcome = bench.run("build")
    expected = f"error: {message}\n  hint: {hint}\n"
    assert (outcome.code, outcome.out, said(bench, outcome)) == (4, "", expected)
    assert not bench.lock.exists()
    nothing_is_half_written(bench)


def broken(bench: Bench, match: str, fault: Fault) -> list[str]:
    bench.spec()
    bench.registry.fault(match, fault, times=99)
    outcome = bench.run("build")
    assert outcome.code == 4
    assert not bench.lock.exists()
    return said(bench, outcome).splitlines()


def test_a_registry_with_endless_headers(bench):
    fault = faults.endless(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n")
    lines = broken(bench, "GET .*/manifests/al2023", fault)
    assert lines[0] == f"error: {BASE}: the connection to {{host}} broke: the answer has too many headers ({ANSWER})"


def test_a_registry_that_sends_other_bytes_than_it_was_asked_for(bench):
    lines = broken(bench, "GET .*/blobs/sha256", faults.changed(lambda data: data.replace(b"linux", b"minix")))
    config = json.loads(next(iter(support.base().manifests.values())))["config"]["digest"]
    assert lines[0].startswith(
        f"error: {BASE}: GET http://{{host}}/v2/lambda/provided/blobs/{config} gives other bytes than {config}: sha256:"
    )
    assert lines[1] == "  hint: do not trust this registry or the proxy before it; try another mirror"


def test_a_registry_that_is_down(bench):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        bench.spec(base=f"127.0.0.1:{port}/corp/base:1")
        outcome = bench.run("build")
    assert (outcome.code, outcome.error) == (
        4,
        [
            f"error: 127.0.0.1:{port}/corp/base:1: 127.0.0.1:{port} refuses connections "
            f"(GET http://127.0.0.1:{port}/v2/corp/base/manifests/1)",
            "  hint: check that the server runs, and its port",
        ],
    )


def test_a_certificate_that_nobody_knows_names_its_issuer_and_what_to_do(bench, tmp_path):
    context, _ = tls_context(tmp_path)
    _, another = tls_context(tmp_path)
    with Registry(tls=context) as registry:
        bench.spec(base=f"{registry.host}/corp/base:1")
        outcome = bench.run("build", "--ca-file", another)
    assert outcome.code == 4
    assert outcome.error[0].startswith(
        f"error: {registry.host}/corp/base:1: the certificate of {registry.host} is not "
    )
    assert "it is signed by" in outcome.error[0]
    assert "Example Corp" in outcome.error[0]
    assert outcome.error[1] == "  hint: if the server is the right one, name its CA with --ca-file FILE"


PUSHES: dict[str, tuple[str, Fault, str, str]] = {
    "403 at a tag": (
        "HEAD .*/manifests/",
        faults.status(403),
        "{host} does not let us push to {host}/team/app:latest without credentials "
        "(403 to HEAD http://{host}/v2/team/app/manifests/latest)",
        "log in as somebody who may: `docker login {host}`",
    ),
    "no such repository": (
        "POST .*/team/app/blobs/uploads/",
        faults.status(404),
        "no such repository: {host}/team/app (404 to POST http://{host}/v2/team/app/blobs/uploads/)",
        "create the repository in the registry first, or check its name",
    ),
    "429 at a blob": (
        "POST .*/team/app/blobs/uploads/",
        faults.status(429, headers=LATER),
        "{host} has had too many requests, and stays with that (429 to POST http://{host}/v2/team/app/blobs/uploads/)",
        "wait a while, log in (logged-in users may ask more), or read through a --mirror",
    ),
    "500 at the tag": (
        "PUT .*/team/app/manifests/latest",
        faults.status(500, headers=LATER),
        "{host} has trouble with {host}/team/app:latest (500 to PUT http://{host}/v2/team/app/manifests/latest)",
        "try again later; look at the registry's own log",
    ),
}


@pytest.mark.parametrize("case", PUSHES.values(), ids=PUSHES.keys())
def test_a_registry_that_cannot_be_pushed_to(bench, case):
    match, fault, message, hint = case
    bench.spec(architectures=["x86_64"])
    bench.registry.fault(match, fault, times=99)
    outcome = bench.run("push", "--to", bench.repository(), "--quiet")
    assert (outcome.code, outcome.out, said(bench, outcome)) == (4, "", f"error: {message}\n  hint: {hint}\n")
    assert bench.registry.repository("team/app").tags == {}
    bench.run("inspect", "oci:.imagekit/app").ok()


# The command line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["biuld"], "error: there is no command 'biuld'\n  hint: did you mean `build`?"),
        (["build", "--puhs"], "error: no such option: --puhs\n  hint: did you mean --push?"),
        (["build", "--platform", "mips"], "error: "),
        (["lock", "--compression", "best"], "error: "),
        (["plan", "a", "b"], "error: got unexpected extra argument"),
    ],
)
def test_a_command_line_that_cannot_be(bench, arguments, message):
    outcome = bench.run(*arguments)
    assert outcome.code == 2
    assert outcome.err.startswith(message)
    assert "  hint: " in outcome.err
