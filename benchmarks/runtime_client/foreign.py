"""The peers: what is installed by pip, npm, go and apt, and loops out of what languages bring."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from ctypes.util import find_library
from pathlib import Path
from typing import Any

from benchmarks.runtime_client.candidates import PARTS, Candidate, Missing, Workshop, need, run

AWSLAMBDARIC = "4.2.2"
AWS_LAMBDA_RIC = "4.0.2"
AWS_LAMBDA_GO = "v1.55.1"
_PEERS = PARTS / "peers"
_SMALL = ("1 KB", "100 KB")


def makers() -> Mapping[str, Callable[[Workshop], Candidate]]:
    """Candidates by name; making one raises Missing where it cannot be measured."""
    return {
        "bare loop in C": _bare,
        "aws-lambda-cpp": _cpp,
        "aws-lambda-go": _go,
        "aws-lambda-ric": _node_ric,
        "http loop in Node.js": _node_loop,
        "awslambdaric": _python_ric,
        "curl loop in PHP": _php_loop,
        "HTTP::Tiny loop": _perl_loop,
        "net/http loop": _ruby_loop,
        "bash with curl": _bash_loop,
    }


def _works(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _bare(shop: Workshop) -> Candidate:
    return Candidate(name="bare loop in C", command=(str(shop.compiled("bare", _PEERS / "bare.c")),))


# --- Node.js ----------------------------------------------------------------------------------------------------------


def _node_package(shop: Workshop) -> Path:
    """The package, which compiles curl and aws-lambda-cpp, whose sources it holds, for a module of its own."""
    for tool in ("npm", "cmake", "make", "g++", "autoconf", "automake", "libtoolize"):
        need(tool, "libtool" if tool == "libtoolize" else tool)

    def install(folder: Path) -> None:
        package = f"aws-lambda-ric@{AWS_LAMBDA_RIC}"
        run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), package], folder)

    return shop.installed(f"aws-lambda-ric-{AWS_LAMBDA_RIC}", install) / "node_modules/aws-lambda-ric"


def _node_ric(shop: Workshop) -> Candidate:
    program = _node_package(shop) / "index.mjs"
    return Candidate(name="aws-lambda-ric", command=(need("node"), str(program), "echo.handler"))


def _node_loop(shop: Workshop) -> Candidate:
    command = (need("node"), str(_PEERS / "http_loop.js"), str(shop.task / "echo.js"))
    return Candidate(name="http loop in Node.js", command=command)


# --- compiled ---------------------------------------------------------------------------------------------------------


def _cpp(shop: Workshop) -> Candidate:
    """With the system's libcurl, as its own instructions are; its source comes with aws-lambda-ric."""
    source = _node_package(shop) / "deps/aws-lambda-cpp.tar.xz"

    def install(folder: Path) -> None:
        need("apt-get", "libcurl4-openssl-dev")
        run(["apt-get", "download", "-q", "libcurl4-openssl-dev"], folder)
        run(["dpkg-deb", "-x", *map(str, folder.glob("*.deb")), "."], folder)
        library = find_library("curl")
        if library is None:
            raise Missing("needs libcurl4")
        (headers,) = (path.parent.parent for path in folder.rglob("curl/curl.h"))
        run(["tar", "xJf", str(source), "--no-same-owner"], folder)
        build = folder / "build"
        curl = [f"-DCURL_LIBRARY={library}", f"-DCURL_INCLUDE_DIR={headers}"]
        options = ["-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_INSTALL_PREFIX={folder}", *curl]
        run(["cmake", "-S", str(folder), "-B", str(build), *options], folder)
        run(["cmake", "--build", str(build), "--target", "install"], folder)
        (archive,) = (folder / "lib").rglob("libaws-lambda-runtime.a")
        words = [
            "-O2",
            "-o",
            "echo",
            str(_PEERS / "aws_lambda_cpp.cc"),
            "-Iinclude",
            f"-I{headers}",
            str(archive),
            f"-l:{library}",
        ]
        run(["g++", *words, "-lpthread"], folder)

    folder = shop.installed(f"aws-lambda-cpp-of-{AWS_LAMBDA_RIC}", install)
    return Candidate(name="aws-lambda-cpp", command=(str(folder / "echo"),))


def _go(shop: Workshop) -> Candidate:
    go = need("go")

    def install(folder: Path) -> None:
        shutil.copy(_PEERS / "aws_lambda_go/main.go", folder)
        environment = {"CGO_ENABLED": "0"}
        run([go, "mod", "init", "echo"], folder)
        run([go, "get", f"github.com/aws/aws-lambda-go@{AWS_LAMBDA_GO}"], folder)
        flags = ["-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w"]
        run([go, "build", *flags, "-o", "bootstrap", "."], folder, environment=environment)

    folder = shop.installed(f"aws-lambda-go-{AWS_LAMBDA_GO}", install)
    return Candidate(name="aws-lambda-go", command=(str(folder / "bootstrap"),))


# --- scripts ----------------------------------------------------------------------------------------------------------


def python(shop: Workshop) -> str:
    """An interpreter with awslambdaric; where that cannot be installed, the one that runs this."""

    def install(folder: Path) -> None:
        run([sys.executable, "-m", "venv", str(folder)], folder)
        run([str(folder / "bin/python"), "-m", "pip", "install", "-q", f"awslambdaric=={AWSLAMBDARIC}"], folder)

    try:
        return str(shop.installed(f"awslambdaric-{AWSLAMBDARIC}", install) / "bin/python")
    except Missing:
        return sys.executable


def _python_ric(shop: Workshop) -> Candidate:
    interpreter = python(shop)
    if interpreter == sys.executable:
        raise Missing("needs pip and a network")
    return Candidate(name="awslambdaric", command=(interpreter, "-m", "awslambdaric", "echo.handler"))


def php(shop: Workshop) -> tuple[str, ...]:
    """PHP with curl, which is fetched where the system has none; the system's settings count for the rest."""
    program = need("php", "php-cli")
    if _works([program, "-r", "exit(extension_loaded('curl') ? 0 : 1);"]):
        return (program,)
    version = run([program, "-r", "echo PHP_MAJOR_VERSION, '.', PHP_MINOR_VERSION;"], shop.folder)

    def install(folder: Path) -> None:
        need("apt-get", "php-curl")
        run(["apt-get", "download", "-q", f"php{version}-curl"], folder)
        run(["dpkg-deb", "-x", *map(str, folder.glob("*.deb")), "."], folder)

    try:
        (module,) = shop.installed(f"php{version}-curl", install).rglob("curl.so")
    except Missing:
        return (program,)
    return (program, "-d", f"extension={module}")


def _php_loop(shop: Workshop) -> Candidate:
    command = php(shop)
    if not _works([*command, "-r", "exit(extension_loaded('curl') ? 0 : 1);"]):
        raise Missing("needs php-curl")
    words = (*command, str(_PEERS / "curl_loop.php"), str(shop.task / "echo.php"))
    return Candidate(name="curl loop in PHP", command=words)


def perl(shop: Workshop) -> dict[str, Any]:
    """What its candidates need for Cpanel::JSON::XS: with the JSON that Perl brings all would be equally slow."""
    program = need("perl")
    if _works([program, "-MCpanel::JSON::XS", "-e1"]):
        return {}

    def install(folder: Path) -> None:
        need("apt-get", "libcpanel-json-xs-perl")
        run(["apt-get", "download", "-q", "libcpanel-json-xs-perl"], folder)
        run(["dpkg-deb", "-x", *map(str, folder.glob("*.deb")), "."], folder)

    try:
        (module,) = shop.installed("libcpanel-json-xs-perl", install).glob("usr/lib/*/perl5/*/Cpanel/JSON/XS.pm")
    except Missing:
        return {"sizes": _SMALL}  # it takes seconds for 6 MB
    return {"environment": {"PERL5LIB": str(module.parents[2])}}


def _perl_loop(shop: Workshop) -> Candidate:
    command = (need("perl"), str(_PEERS / "http_tiny.pl"), str(shop.task / "echo.pl"))
    return Candidate(name="HTTP::Tiny loop", command=command, **perl(shop))


def _ruby_loop(shop: Workshop) -> Candidate:
    command = (need("ruby"), str(_PEERS / "net_http.rb"), str(shop.task / "echo.rb"))
    return Candidate(name="net/http loop", command=command)


def _bash_loop(_: Workshop) -> Candidate:
    need("curl")
    return Candidate(name="bash with curl", command=(need("bash"), str(_PEERS / "curl_loop.sh")))
