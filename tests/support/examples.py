"""What stands in for the world around the examples, under the names and in the layout that they expect.

Official archives and images are made of this machine's packages and of npm's. A lock made through them is no example's.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import interpreters
from tests.support.bases import Node, StandIn
from tests.support.docker_registry import DockerRegistry
from tests.support.linked import LOADERS, TRIPLES, found, linked, needs, system
from tests.support.packages import amazon, site
from tests.support.registry import Registry
from tests.support.tools import need, need_file

#: npm's names of the architectures, by OCI's.
_NPM = {"amd64": "x64", "arm64": "arm64"}
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
#: Of the commands that AWS's bases have those that workers and interpreters call.
_COMMANDS = ("cat", "grep", "mktemp", "rm", "sed", "uname")
#: Bref's loop as its images have it, short of what needs Bref's own package.
_BREF_LOOP = b"""#!/bin/sh
set -e
export PHP_INI_SCAN_DIR=/opt/bref/etc/php/conf.d:/var/task/php/conf.d
cd /var/task
while true; do /opt/bin/php /opt/bref/bootstrap.php 2>&1; done
"""
_BREF_SETTINGS = b"extension_dir=/opt/bref/extensions\nextension=ctype.so\ndisplay_errors=1\n"
_BREF_BOOTSTRAP = b"""<?php
if (!function_exists('ctype_alpha')) throw new RuntimeException('the extensions are not loaded');
require getenv('LAMBDA_TASK_ROOT') . '/vendor/autoload.php';
Bref\\Runtime::run(getenv('BREF_RUNTIME'));
"""
#: What Composer installs as bref/bref, short of all but the function runtime.
_BREF_PACKAGE = """<?php
namespace Bref;

class Runtime {
    public static function run(string $runtime): void {
        if ($runtime !== 'function') throw new \\RuntimeException("no $runtime here");
        $handler = require getenv('LAMBDA_TASK_ROOT') . '/' . getenv('_HANDLER');
        $api = 'http://' . getenv('AWS_LAMBDA_RUNTIME_API') . '/2018-06-01/runtime/invocation/';
        while (true) {
            $event = json_decode(file_get_contents($api . 'next'), true);
            $id = '';
            foreach ($http_response_header as $line) {
                if (stripos($line, 'lambda-runtime-aws-request-id:') === 0) $id = trim(substr($line, 30));
            }
            $answer = json_encode($handler($event, null));
            file_get_contents($api . $id . '/response', false, stream_context_create(
                ['http' => ['method' => 'POST', 'header' => 'Content-Type: application/json', 'content' => $answer]]));
        }
    }
}
"""


@dataclass(frozen=True)
class Row:
    """What an example needs of this machine; `{rpm}` is each architecture.

    `rare` tools need not be in CI: without them the example is refused with what to install. `prepare` does what its
    README asks for once.
    """

    tools: tuple[str, ...] = ()
    rare: tuple[str, ...] = ()
    stands_in: Callable[[World], None] = lambda _: None
    prepare: Callable[[Path], None] = lambda _: None


@dataclass
class World:
    """The stand-ins, each made once, when an example asks for it."""

    files: Registry
    images: DockerRegistry
    folder: Path
    made: set[str] = field(default_factory=set)
    #: What Bref's images have above their base, by architecture.
    bref: dict[str, dict[str, Node]] = field(default_factory=dict)

    @property
    def mirrors(self) -> str:
        """What leads to them."""
        hosts = dict.fromkeys(("nodejs.org", "github.com", site.HOST), self.files.host)
        hosts |= {"public.ecr.aws": f"{self.images.host}/aws", "docker.io": f"{self.images.host}/hub"}
        return ",".join(f"{name}={mirror}" for name, mirror in hosts.items())

    def bases(self, shells: Mapping[str, Mapping[str, bytes]]) -> None:
        """AWS's bases with the libraries that programs need there; `shells` are a shell and its commands."""
        programs = {
            name: {**dict.fromkeys(_COMMANDS, shells[name]["busybox"]), **shells[name], **system(name)}
            for name in TRIPLES
        }
        packaged = {name: amazon.system_files(machine) for name, machine in _MACHINES.items()}
        for tag, family, also in (("al2023", "oci", packaged), ("al2", "docker", None)):
            made = StandIn.make(family, programs, on_build=False, also=also)
            made.push(self.images.host, "aws/lambda/provided", tag)

    def once(self, name: str) -> bool:
        """True the first time."""
        new = name not in self.made
        self.made.add(name)
        return new


def nodejs(world: World) -> None:
    """The archives of nodejs.org for each version that an example names."""
    if world.once("nodejs"):
        for name in _NPM.values():
            program = Path(interpreters.node19(name))
            data = archive(world.folder / f"node-{name}.tar.xz", {"node/bin/node": program})
            for version in ("19.9.0", "23.11.1"):
                world.files.files[f"/dist/v{version}/node-v{version}-linux-{name}.tar.xz"] = data


def deno(world: World) -> None:
    """Deno's release."""
    for architecture, machine in _MACHINES.items():
        path = f"/denoland/deno/releases/download/v2.9.6/deno-{machine}-unknown-linux-gnu.zip"
        world.files.files[path] = zipped("deno", Path(interpreters.deno(_NPM[architecture])))


def bun(world: World) -> None:
    """Bun's release."""
    for architecture, name in {"amd64": "x64", "arm64": "aarch64"}.items():
        path = f"/oven-sh/bun/releases/download/bun-v1.4.5/bun-linux-{name}.zip"
        world.files.files[path] = zipped(f"bun-linux-{name}/bun", Path(interpreters.bun(_NPM[architecture])))


def perl(world: World) -> None:
    """A Perl that can stand anywhere: Debian's, told where its modules are."""
    for name, triple in TRIPLES.items():
        script = world.folder / "perl"
        folders = ":".join(f"/opt/perl/lib/{part}" for part in ("base", "arch", "share"))
        found_there = f"PERL5LIB={folders} LD_LIBRARY_PATH=/opt/perl/lib:$LD_LIBRARY_PATH"
        script.write_text(f'#!/bin/sh\n{found_there} exec /opt/perl/bin/perl-itself "$@"\n')
        script.chmod(0o755)
        version = next(path.name for path in found(name, "usr/share/perl").iterdir() if path.name.count(".") == 1)
        parts = {
            "perl/bin/perl": script,
            "perl/bin/perl-itself": found(name, "usr/bin/perl"),
            "perl/lib/base": found(name, f"usr/lib/{triple}/perl-base"),
            "perl/lib/arch": found(name, f"usr/lib/{triple}/perl/{version}"),
            "perl/lib/share": found(name, f"usr/share/perl/{version}"),
        }
        path = f"/skaji/relocatable-perl/releases/download/5.42.2.0/perl-linux-{name}.tar.gz"
        world.files.files[path] = archive(world.folder / f"perl-{name}.tar.gz", parts, library_of(name, "usr/bin/perl"))


def python(world: World) -> None:
    """A Python that can stand anywhere: Debian's, in the layout of python-build-standalone."""
    for name, machine in _MACHINES.items():
        # Debian's needs a newer glibc than Amazon Linux has, and nothing that does is started.
        script = world.folder / "python3"
        script.write_text('#!/bin/sh\nexec "$0-itself" "$@"\n')
        script.chmod(0o755)
        parts = {
            "python/bin/python3": script,
            "python/bin/python3-itself": found(name, "usr/bin/python3.11"),
            "python/lib/python3.11": found(name, "usr/lib/python3.11"),
        }
        build = f"cpython-3.14.7+20260929-{machine}-unknown-linux-gnu-install_only_stripped.tar.gz"
        path = f"/astral-sh/python-build-standalone/releases/download/20260929/{build}"
        libraries = library_of(name, "usr/bin/python3.11", "python/lib")
        world.files.files[path] = archive(world.folder / f"python-{name}.tar.gz", parts, libraries)


def packages(world: World) -> None:
    """The interpreters that Amazon Linux has packages of."""
    if world.once("packages"):
        amazon.serve(world.files)


def with_composer(folder: Path) -> None:
    """The one package that composer.lock names, out of Debian's, instead of what GitHub has."""
    amazon.trusted(folder)
    lock = folder / "composer.lock"
    document = json.loads(lock.read_text())
    (package,) = document["packages"]
    source = Path(need_file(f"/usr/share/php/{package['name'].title()}"))
    package["dist"]["url"] = str(folder / "keys/package.zip")
    with zipfile.ZipFile(package["dist"]["url"], "w") as opened:
        for path in sorted(source.rglob("*.php")):
            opened.write(path, f"package/src/{path.relative_to(source)}")
    lock.write_text(json.dumps(document))


def with_jsonlite(folder: Path) -> None:
    """What CRAN's jsonlite is once it is compiled for each architecture."""
    amazon.trusted(folder)
    for name, oci in {"x86_64": "amd64", "arm64": "arm64"}.items():
        shutil.copytree(found(oci, "usr/lib/R/site-library/jsonlite"), folder / "library" / name / "jsonlite")


def bref(world: World) -> None:
    """Bref's images, one an architecture, with the files that a working one has."""
    for name, repository in {"amd64": "bref/php-84", "arm64": "bref/arm-php-84"}.items():
        php = found(name, "usr/bin/php8.2")
        programs = {f"opt/bin/{program}": php.read_bytes() for program in ("php", "php-fpm")}
        loops = {"opt/bootstrap": _BREF_LOOP, "var/runtime/bootstrap": _BREF_LOOP}
        plain = {
            "opt/bref/bootstrap.php": _BREF_BOOTSTRAP,
            "opt/bref/etc/php/conf.d/bref.ini": _BREF_SETTINGS,
            "opt/bref/etc/php-fpm.conf": b"[global]\nerror_log = /dev/stderr\n",
            "opt/bref/extensions/ctype.so": found(name, "usr/lib/php/20220829/ctype.so").read_bytes(),
            **{f"opt/lib/{library}": data for library, data in linked(name, *needs(php)).items()},
        }
        nodes = {path: Node(data, 0o755) for path, data in {**programs, **loops}.items()}
        nodes |= {path: Node(data) for path, data in plain.items()}
        made = StandIn.make("oci", architectures=(name,), on_build=False, also={name: nodes})
        made.push(world.images.host, f"hub/{repository}", "3")
        world.bref[name] = nodes


def with_bref(folder: Path) -> None:
    """What `composer update` leaves, without the network."""
    (folder / "vendor/bref").mkdir(parents=True)
    (folder / "vendor/bref/Runtime.php").write_text(_BREF_PACKAGE)
    (folder / "vendor/autoload.php").write_text("<?php\nrequire __DIR__ . '/bref/Runtime.php';\n")


def library_of(architecture: str, program: str, folder: str = "perl/lib") -> dict[str, bytes]:
    """The libraries of a program of Debian's that Amazon Linux may not have, below `folder` of an archive."""
    names = set(needs(found(architecture, program))) - {LOADERS[architecture][1], "libc.so.6", "libm.so.6"}
    return {f"{folder}/{name}": data for name, data in linked(architecture, *sorted(names)).items()}


def archive(path: Path, parts: Mapping[str, Path], more: Mapping[str, bytes] | None = None) -> bytes:
    """A tar of files and folders, compressed by what its name says, quickly."""
    with tarfile.open(path.with_suffix(""), "w") as tar:
        for name, source in parts.items():
            for real, inner in _files(source, name):
                tar.add(real, inner, recursive=False)
        for name, data in (more or {}).items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
    command = [need("xz"), "-0", "-T0"] if path.suffix == ".xz" else [need("gzip"), "-1"]
    with path.with_suffix("").open("rb") as plain:
        return subprocess.run([*command, "-c"], stdin=plain, check=True, capture_output=True).stdout


def zipped(name: str, program: Path) -> bytes:
    """A zip archive with one program, which stays as it is: to compress it would take longer than all else."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as opened:
        info = zipfile.ZipInfo(name)
        info.external_attr = 0o100755 << 16
        with program.open("rb") as source, opened.open(info, "w", force_zip64=True) as entry:
            shutil.copyfileobj(source, entry, 1024 * 1024)
    return target.getvalue()


def _files(source: Path, name: str) -> Iterator[tuple[Path, str]]:
    """Regular files only, links followed where they lead to one; what no function needs is left out."""
    if source.is_file():
        yield source.resolve(), name
        return
    for folder, names, files in os.walk(source):
        names[:] = sorted(set(names) - {"__pycache__", "test", "tests", "pod", "unicore", "idlelib", "lib2to3", "CORE"})
        for file in sorted(files):
            path = Path(folder, file)
            if path.is_file() and path.suffix not in (".pod", ".a"):
                yield path.resolve(), f"{name}/{path.relative_to(source)}"


#: Those that are not here need nothing.
ROWS: Mapping[str, Row] = {
    "bun": Row(stands_in=bun),
    "cpp": Row(tools=("cmake", "{rpm}-linux-gnu-g++")),
    "deno": Row(stands_in=deno),
    "dotnet": Row(rare=("dotnet",)),
    "fortran": Row(tools=("{rpm}-linux-gnu-gfortran",)),
    "go": Row(tools=("go",)),
    "go-al2": Row(tools=("go",)),
    "graalvm": Row(rare=("mvn", "native-image")),
    "graalvm-binary": Row(tools=("npm",)),
    "lua": Row(stands_in=packages, prepare=amazon.trusted),
    "nodejs-19": Row(stands_in=nodejs),
    "nodejs-native": Row(tools=("npm",), stands_in=nodejs),
    "nodejs-runtime": Row(stands_in=nodejs),
    "perl": Row(stands_in=perl),
    "php": Row(tools=("composer",), stands_in=packages, prepare=with_composer),
    "php-bref": Row(stands_in=bref, prepare=with_bref),
    "python-next": Row(stands_in=python),
    "r": Row(stands_in=packages, prepare=with_jsonlite),
    "ruby": Row(stands_in=packages, prepare=amazon.trusted),
    "rust": Row(tools=("cargo", "rustc")),
    "swift": Row(rare=("swift",)),
}
