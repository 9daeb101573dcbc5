"""Dockerfiles and the specs that they become: buildah and imagekit make the same of them, path by path.

Images and tools are stand-ins: a tool writes the same files in a stage's container and on this machine.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support import builders
from tests.support.bases import Node, StandIn, link, program
from tests.support.commands import imagekit_well
from tests.support.docker_registry import DockerRegistry
from tests.support.engine import Engine
from tests.support.project import Seen
from tests.support.registry import Registry

pytestmark = pytest.mark.real

CASES = Path(__file__).resolve().parents[1] / "golden/dockerfiles"
_OUTPUT = 'while [ $# -gt 0 ]; do case "$1" in -o|--output|--target|-t) out=$2;; esac; shift; done\n'
#: What each tool leaves where it runs.
_MADE = 'made() { mkdir -p "${1%/*}"; printf \'#!/bin/sh\\necho made\\n\' > "$1"; chmod 755 "$1"; }\n'
TOOLS = {
    "go": f'{_MADE}{_OUTPUT}case "$out" in "") ;; /*) made "$out";; *) made "./$out";; esac',
    "cargo": f'{_MADE}if [ "$1" = lambda ]; then made target/lambda/orders/bootstrap; exit; fi\n'
    'made target/release/orders; cat src/main.rs >> target/release/orders',
    "swift": f"{_MADE}made .build/release/MyLambda",
    "dotnet": f'{_MADE}{_OUTPUT}[ -z "$out" ] || made "$out/bootstrap"',
    "pip": f'{_OUTPUT}mkdir -p "$out/dependency"; echo it > "$out/dependency/__init__.py"',
    "npm": 'if [ "$1" = ci ]; then mkdir -p node_modules/it; echo it > node_modules/it/index.js; fi\n'
    'if [ "$1" = run ]; then mkdir -p dist/css; echo it > dist/index.html; echo it > dist/css/a.css; fi',
    "bundle": 'if [ "$1" = install ]; then mkdir -p vendor/bundle; echo it > vendor/bundle/it.rb; fi',
    "dnf": 'case "$*" in *libfoo*) [ ! -d /usr/share/downloads ] || echo it > /usr/lib64/libfoo.so.1;; esac',
    "upx": 'echo packed >> "$1"', "apt-get": 'mkdir -p /var/lib/apt/lists/it',
    "gem": ":", "microdnf": ":", "yum": ":",
}  # fmt: skip
_APPLETS = ("mv", "mkdir", "chmod", "cp", "rm", "cat", "tar", "unzip", "xz", "ln")
#: Where downloads are in a container; on this machine a variable says it.
DOWNLOADS = "usr/share/downloads"
_FETCH = f"""for word; do case "$word" in https://*) url=$word;; esac; done
for word; do case "$previous" in -o|-*SLo) out=$word;; esac; previous=$word; done
file="${{DOWNLOADS:-/{DOWNLOADS}}}/${{url##*/}}"
"""
TOOLS["curl"] = _FETCH + 'if [ -n "$out" ]; then cat "$file" > "$out"; else cat "$file"; fi'
TOOLS["wget"] = _FETCH + 'case "$*" in *-qO-*) cat "$file";; *) cat "$file" > "${url##*/}";; esac'
TOOLS["useradd"] = ":"
_RIC = b"#!/bin/sh\nexec /var/lang/bin/ric\n"


def _archive(kind: str) -> bytes:
    """A folder with a program and a file."""
    target = io.BytesIO()
    members = {"it-1.0/bin/it": (b"#!/bin/sh\n", 0o755), "it-1.0/notes.txt": (b"notes", 0o644)}
    if kind == "zip":
        with zipfile.ZipFile(target, "w") as made:
            for name, (data, mode) in members.items():
                info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
                info.external_attr = (0o100000 | mode) << 16
                made.writestr(info, data)
        return target.getvalue()
    with tarfile.open(fileobj=target, mode="w:xz") as tar:
        for folder in ("it-1.0", "it-1.0/bin"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name, (data, mode) in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
    return target.getvalue()


#: What is behind the URLs of the cases.
FILES = {
    "https://nodejs.org/dist/v23.11.1/node-v23.11.1-linux-x64.tar.xz": _archive("tar"),
    "https://awscli.amazonaws.com/awscli-exe-linux-x86_64.zip": _archive("zip"),
    "https://example.com/terraform_1.9_linux_amd64.zip": _archive("zip"),
    "https://example.com/yq_linux_amd64": b"#!/bin/sh\n",
    "https://example.com/ffmpeg.tar.xz": _archive("tar"),
}


@dataclass(frozen=True)
class Case:
    """Images by the names that the Dockerfile gives them, with their further files; lines that buildah cannot have;
    paths that are elsewhere, missing or added in imagekit's image, as the conversion says."""

    images: Mapping[str, Mapping[str, Node]] = field(default_factory=dict)
    without: str = ""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()


RUNTIME = {
    "var/runtime/bootstrap": program(_RIC),
    "var/lang/bin": Node(None, 0o755),
    "var/lang/bin/ric": program(b"#!/bin/sh\n"),
}
PROVIDED = {"public.ecr.aws/lambda/provided:al2023": {}}
CASES_OF: Mapping[str, Case] = {
    "go": Case(
        {**PROVIDED, "golang:1.22": {}}, elsewhere={"var/task/main": "var/runtime/bootstrap"}
    ),
    "go-arguments": Case({"public.ecr.aws/lambda/provided:al2": {}, "golang:1.22-bookworm": {}}),
    "rust-cache": Case({**PROVIDED, "rust:1.89": {}}),
    "go-apt": Case({**PROVIDED, "golang:1.22": {}}),
    "rust": Case({**PROVIDED, "ghcr.io/cargo-lambda/cargo-lambda:1.8": {}}),
    "swift": Case({**PROVIDED, "swift:6.1-amazonlinux2023": {}}),
    "dotnet-aot": Case({
        "public.ecr.aws/lambda/provided:al2023-x86_64": {}, "public.ecr.aws/sam/build-dotnet8:latest-x86_64": {}
    }),
    "python": Case({"public.ecr.aws/lambda/python:3.12": RUNTIME}),
    "ruby": Case({"public.ecr.aws/lambda/ruby:3.3": RUNTIME}),
    "java": Case({"public.ecr.aws/lambda/java:21": RUNTIME}),
    "php-bref": Case({
        "bref/php-84-fpm:3": {**RUNTIME, "opt/bin": Node(None, 0o755), "opt/bin/php": program(b"php")},
        "bref/extra-redis-php-84:3": {"opt/bref": Node(None, 0o755), "opt/bref/redis.so": Node(b"redis")},
    }),
    "nodejs-custom": Case(PROVIDED),
    # What was packed is wanted, not what it was packed in.
    "tools": Case(PROVIDED, missing=frozenset({"usr/local/bin/ffmpeg", "var/task/terraform_1.9_linux_amd64.zip"})),
    "python-other-base": Case(
        {"python:3.12": {}, "python:3.12-slim": {}},
        added=frozenset({"var/runtime/bootstrap", "var/runtime/bootstrap.conf"}),
    ),
    "bash": Case(PROVIDED, without=r"COPY <<'EOF'.*?\nEOF\n"),
    "multi-stage": Case(
        {**PROVIDED, "node:20-slim": {}, "busybox:1.36": {"bin/busybox": program(b"busybox")}},
    ),
    "extensions": Case({
        "public.ecr.aws/lambda/nodejs:20": RUNTIME,
        "public.ecr.aws/datadog/lambda-extension:66": {
            "opt/extensions": Node(None, 0o755), "opt/extensions/dd": program(b"dd"),
        },
        "public.ecr.aws/awsguru/aws-lambda-adapter:0.8.4": {"lambda-adapter": program(b"adapter")},
    }),
}  # fmt: skip


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tools on this machine."""
    folder = tmp_path_factory.mktemp("tools")
    for name, script in TOOLS.items():
        (folder / name).write_text(f"#!/bin/sh\nset -e\n{script}\n")
        (folder / name).chmod(0o755)
    (folder / "downloads").mkdir()
    for url, data in FILES.items():
        (folder / "downloads" / url.rpartition("/")[2]).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def files() -> Iterator[Registry]:
    """The hosts of the URLs."""
    with Registry() as registry:
        registry.files.update({urlsplit(url).path: data for url, data in FILES.items()})
        yield registry


@pytest.fixture
def settings(
    tools: Path,
    files: Registry,
    docker: Engine,
    source: DockerRegistry,
    programs: dict[str, dict[str, bytes]],
    tmp_path: Path,
) -> dict[str, str]:
    """The environment that leads imagekit to the stand-ins."""
    stand_in(source.host, "public.ecr.aws/lambda/provided:al2023", {}, programs["amd64"])
    mirrors = [f"public.ecr.aws={source.host}/converted", *(f"{host}={files.host}" for host in HOSTS)]
    return {
        **docker.settings,
        "IMAGEKIT_CACHE_DIR": str(tmp_path / "cache"),
        "PATH": f"{tools}:{os.environ['PATH']}",
        "DOWNLOADS": str(tools / "downloads"),
        "netrc": "machine example.com login ada",  # a secret of one of them
        "IMAGEKIT_MIRROR": ",".join(mirrors),
    }


HOSTS = sorted({urlsplit(url).netloc for url in FILES})


def stand_in(host: str, name: str, files: Mapping[str, Node], programs: Mapping[str, bytes]) -> str:
    """Push an image with the tools in it under its own name, below `host`; its new name."""
    repository, _, tag = name.removeprefix("public.ecr.aws/").partition(":")
    further = {f"usr/bin/{tool}": program(f"#!/bin/sh\nset -e\n{script}\n".encode()) for tool, script in TOOLS.items()}
    further |= {f"usr/bin/{applet}": link("busybox") for applet in _APPLETS if applet != "sh"}
    further[DOWNLOADS] = Node(None, 0o755)
    further |= {f"{DOWNLOADS}/{url.rpartition('/')[2]}": Node(data) for url, data in FILES.items()}
    image = StandIn.make("oci", {"amd64": programs}, architectures=("amd64",), on_build=False,
                         also={"amd64": {**further, **files}})  # fmt: skip
    image.push(host, f"converted/{repository}", tag)
    return f"{host}/converted/{repository}:{tag}"


def dockerfile(case: str, folder: Path, host: str, programs: Mapping[str, bytes]) -> None:
    """Lay the context out, with a Dockerfile that names stand-ins."""
    shutil.copytree(CASES / case / "context", folder)
    text = (CASES / case / "Dockerfile").read_text()
    row = CASES_OF[case]
    if row.without:
        text, count = re.subn(row.without, "", text, flags=re.DOTALL if "EOF" in row.without else 0)
        assert count
    text = text.replace("golang:${GO}-bookworm", "golang:1.22-bookworm").replace("node:${VARIANT}-slim", "node:20-slim")
    text = re.sub(r"\bwget ", "/usr/bin/wget ", text)  # busybox's shell takes its own first
    for name, files in row.images.items():
        text = re.sub(rf"(?<![\w/.]){re.escape(name)}(?![\w.-])", stand_in(host, name, files, programs), text)
    (folder / "Dockerfile").write_text(text)


def seen(image: builders.Image, folder: Path) -> dict[str, Seen]:
    """Every path without its time; what buildah mounts for a command is left out where it is empty."""
    found = {path: it.seen for path, it in image.root(folder).items()}
    mounted = {"etc/hosts", "etc/hostname", "etc/resolv.conf"}
    return {path: it for path, it in found.items() if path not in mounted}


@pytest.mark.parametrize("case", sorted(CASES_OF))
@pytest.mark.usefixtures("clean_environment")
def test_both_builds_give_the_same_tree(
    case: str,
    source: DockerRegistry,
    programs: dict[str, dict[str, bytes]],
    settings: dict[str, str],
    tmp_path: Path,
) -> None:
    context, app = tmp_path / "context", tmp_path / "app"
    dockerfile(case, context, source.host, programs["amd64"])
    shutil.copytree(context, app)

    imagekit_well("init", "--from", "Dockerfile", folder=app, settings=settings)
    spec = app / "runtime.yaml"
    text = re.sub(r"^packages:\n(?:  .*\n)+", "", spec.read_text(), flags=re.MULTILINE)
    spec.write_text(text if "architectures:" in text else f"{text}architectures: [x86_64]\n")
    imagekit_well("build", "--platform=linux/amd64", "--output", f"oci:{tmp_path}/ours", folder=app, settings=settings)
    ours = seen(builders.output(tmp_path / "ours", "amd64"), tmp_path / "made")
    theirs = seen(builders.buildah(context, ("--build-arg=TARGETARCH=amd64",), tmp_path), tmp_path / "wanted")

    row = CASES_OF[case]
    for there, here in row.elsewhere.items():
        assert theirs.pop(there) == ours.pop(here)
    for path in row.missing:
        del theirs[path]
    for path in row.added:
        del ours[path]
    differences = {
        path: (ours.get(path), theirs.get(path))
        for path in sorted({*ours, *theirs})
        if ours.get(path) != theirs.get(path)
    }
    assert not differences
