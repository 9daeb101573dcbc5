"""Package files and databases that are not what they should be: one message each, and nothing is left behind.

The repository is honest about the file's checksum, so that the file itself is met.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.bench import PROVIDED, Bench, Outcome, put
from tests.support.faults import cut, status
from tests.support.packages import database, samples, system
from tests.support.packages.bench import TRUSTED, UNCHECKED, furnish
from tests.support.packages.headers import INT16, INT32, MAGIC, STRING, STRINGS
from tests.support.packages.package import Built, Item, Package, folder, link, program
from tests.support.packages.payloads import COMPRESSORS, Member, newc
from tests.support.packages.repository import Repository
from tests.support.packages.signing import key

X86: dict[str, Any] = {"architectures": ["x86_64"], "repositories": UNCHECKED}
FILES = {"usr/bin/bad": program(b"a program"), "usr/share/bad": Item(b"data")}
Damage = Callable[[Built], Built]


def bad(**changes: Any) -> Package:
    """The package, with what is wrong with it."""
    return replace(Package("bad", "1.0", "1.amzn2023", files=FILES), **changes)


def offer(bench: Bench, *packages: Package) -> Bench:
    """Put packages into the site's repository, beside the samples."""
    return furnish(bench, {"x86_64": Repository((*samples.packages("x86_64"), *packages))})


def state(bench: Bench) -> dict[str, int]:
    """What lies in the user's folder and is no cache, with sizes."""
    return {str(path): path.lstat().st_size for path in sorted(bench.folder.rglob("*")) if path.is_file()}


def one_error(outcome: Outcome, words: str, codes: tuple[int, ...] = (3,)) -> None:
    """It ended with one error that has all of these words, told as a situation and not as a bug."""
    assert outcome.code in codes, (outcome.code, outcome.err)
    assert sum(line.startswith("error: ") for line in outcome.err.splitlines()) == 1, outcome.err
    assert "Traceback" not in outcome.err
    text = "\n".join(outcome.error)
    assert all(word in text for word in words.split("|")), text


def refused(bench: Bench, words: str, *names: str, codes: tuple[int, ...] = (3,), **keys: Any) -> None:
    """A build that asks for the package says so, and leaves nothing of an image, a lock or a package behind."""
    bench.spec(**{**X86, "packages": list(names or ("bad",)), **keys})
    before = state(bench)
    one_error(bench.run("build"), words, codes)
    left = {path: size for path, size in state(bench).items() if not path.endswith("runtime.lock")}
    assert left == before
    assert not list(half_written(bench))
    for architecture in ("x86_64", "arm64"):
        assert not (bench.folder / ".imagekit" / "app" / architecture).exists()


def half_written(bench: Bench) -> Iterator[Path]:
    """Files of the cache that are on their way."""
    for path in (bench.folder.parent / "cache").rglob("*"):
        if path.is_file() and path.suffix in {".part", ".tmp", ".partial"}:
            yield path


def _cut(size: int) -> Damage:
    return lambda built: replace(built, payload=built.payload[:size])


def _header(change: Callable[[bytes], bytes]) -> Damage:
    return lambda built: replace(built, header=change(built.header))


def _lengths(entries: int, size: int) -> Damage:
    return _header(lambda header: MAGIC + struct.pack(">II", entries, size) + header[16:])


DAMAGES: dict[str, tuple[Damage, str]] = {
    "it ends in the lead": (lambda b: Built(b.lead[:50], b"", b"", b""), "bad-1.0-1.amzn2023.x86_64"),
    "it ends in the header": (lambda b: replace(b, header=b.header[:200], payload=b""), "bad-1.0-1.amzn2023.x86_64"),
    "it ends in the payload": (_cut(20), "bad-1.0-1.amzn2023.x86_64"),
    "it has no payload": (_cut(0), "bad-1.0-1.amzn2023.x86_64"),
    "it is something else": (lambda b: Built(b"<html>" * 100, b"", b"", b""), "bad-1.0-1.amzn2023.x86_64"),
    "it has no entries": (_lengths(0, 0), "bad"),
    "its header is endless": (_lengths(0xFFFFFFFF, 0xFFFFFFFF), "bad"),
    "its header is larger than the file": (_lengths(40, 200_000_000), "bad"),
    "its header is another one": (_header(lambda data: data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]), "bad"),
    "its payload is another one": (lambda b: replace(b, payload=COMPRESSORS["zstd"](newc([]))), "bad"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_file_that_is_no_package(bench: Bench, case: str) -> None:
    damage, words = DAMAGES[case]
    refused(offer(bench, bad(damage=damage)), words)


def packed(*members: Member) -> bytes:
    """An archive of files that the header does not know so."""
    return newc(members)


PAYLOADS: dict[str, tuple[Package, str]] = {
    "a path that leaves the image": (bad(archive=packed(Member("./../../etc/passwd", b"x"))), "bad"),
    "a path that the header has not": (bad(archive=packed(Member("./etc/other", b"x"))), "bad"),
    "more data than the header says": (
        bad(archive=packed(Member("./usr/bin/bad", b"a program" * 99, 0o100755), Member("./usr/share/bad", b"data"))),
        "usr/bin/bad",
    ),
    "less data than the header says": (
        bad(archive=packed(Member("./usr/bin/bad", b"a", 0o100755), Member("./usr/share/bad", b"data"))),
        "usr/bin/bad",
    ),
    "other data than the header says": (
        bad(archive=packed(Member("./usr/bin/bad", b"A PROGRAM", 0o100755), Member("./usr/share/bad", b"data"))),
        "usr/bin/bad",
    ),
    "a file that is missing": (bad(archive=packed(Member("./usr/bin/bad", b"a program", 0o100755))), "usr/share/bad"),
    "a file that comes twice": (
        bad(archive=packed(*[Member("./usr/bin/bad", b"a program", 0o100755)] * 2, Member("./usr/share/bad", b"data"))),
        "usr/bin/bad",
    ),
    "an archive that ends early": (bad(archive=packed(Member("./usr/bin/bad", b"a program", 0o100755))[:130]), "bad"),
    "an archive of zeros": (bad(archive=bytes(300_000)), "bad"),
    "much more than the header says": (bad(archive=bytes(80_000_000), compressor="xz"), "bad"),
    "sizes that are no numbers": (bad(archive=packed(Member("./usr/bin/bad")).replace(b"0", b"g", 20)), "bad"),
}


@pytest.mark.parametrize("case", PAYLOADS)
def test_a_payload_that_is_not_what_the_header_says(bench: Bench, case: str) -> None:
    package, words = PAYLOADS[case]
    refused(offer(bench, package), words)


#: What a header can say of its files; the tags are base names, directories, their indexes, modes, links.
HEADERS: dict[str, tuple[Package, str]] = {
    "a path that leaves the image": (bad(lies={1118: (STRINGS, ["/usr/../../", "/usr/share/"])}), "bad"),
    "a name that is a way": (bad(lies={1117: (STRINGS, ["..", "bad"])}), "bad"),
    "a name with a slash": (bad(lies={1117: (STRINGS, ["../../etc/shadow", "bad"])}), "bad"),
    "no name": (bad(lies={1117: (STRINGS, ["", "bad"])}), "bad"),
    "a whiteout": (bad(lies={1117: (STRINGS, [".wh.bash", "bad"])}), "wh."),
    "one name too few": (bad(lies={1117: (STRINGS, ["bad"])}), "bad"),
    "a directory that there is not": (bad(lies={1116: (INT32, [0, 77])}), "bad"),
    "one path twice": (bad(lies={1117: (STRINGS, ["bad", "bad"]), 1116: (INT32, [0, 0])}), "bad"),
    "a device": (bad(lies={1030: (INT16, [0o020644, 0o100644])}), "bad"),
    "a socket": (bad(lies={1030: (INT16, [0o140644, 0o100644])}), "bad"),
    "a mode that is none": (bad(lies={1030: (INT16, [0o170777, 0o100644])}), "bad"),
    "an archive of another kind": (bad(lies={1124: (STRING, "drpm")}), "bad"),
    "a compressor that nobody knows": (bad(lies={1125: (STRING, "lz9")}), "lz9"),
    "another name": (bad(lies={1000: (STRING, "good")}), "bad"),
    "another architecture": (bad(lies={1022: (STRING, "aarch64")}), "bad"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_that_says_what_cannot_be(bench: Bench, case: str) -> None:
    package, words = HEADERS[case]
    refused(offer(bench, package), words)


def test_a_file_below_a_link_of_its_own_package_goes_where_the_link_leads(bench: Bench) -> None:
    """As rpm does it; an entry below a link would make it the reader's choice."""
    offer(bench, bad(files={"usr/share/way": link("../../etc"), "usr/share/way/new": Item(b"x")}))
    bench.spec(**X86, packages=["bad"])
    layer = bench.pushed()["x86_64"].layer(-2)
    assert layer["etc/new"].isfile()
    assert "usr/share/way/new" not in layer


def test_a_file_below_a_link_that_leads_to_a_package_of_the_base(bench: Bench) -> None:
    files = {"usr/share/way": link("../../etc"), "usr/share/way/passwd": Item(b"x")}
    refused(offer(bench, bad(files=files)), "/etc/passwd")


def test_two_packages_with_one_path(bench: Bench) -> None:
    refused(offer(bench), "usr/share/both|that|those", "that", "those")
    bench.spec(**X86, packages=["that"])
    bench.run("build").ok()


def test_a_path_that_a_package_of_the_base_has(bench: Bench) -> None:
    refused(offer(bench, bad(files={"usr/bin/bash": program(b"another shell")})), "usr/bin/bash")


def test_a_file_where_the_base_has_a_directory(bench: Bench) -> None:
    refused(offer(bench, bad(files={"usr/share/doc": Item(b"no directory")})), "usr/share/doc")


def test_a_directory_where_the_base_has_a_file(bench: Bench) -> None:
    files = {"usr/bin/bash": folder(), "usr/bin/bash/x": Item(b"x")}
    refused(offer(bench, bad(files=files)), "usr/bin/bash")


def test_a_scriptlet_that_nobody_knows_is_shown_with_the_ways_out(bench: Bench) -> None:
    refused(offer(bench), "strange|/usr/bin/strange --register|scriptlets: {strange:", "strange")
    bench.spec(**X86, packages=["strange"], scriptlets={"strange": {"skip": "it registers itself"}})
    bench.run("build").ok()


def test_the_site_answers_another_file_after_the_lock(amazon: Bench) -> None:
    amazon.spec(architectures=["x86_64"], repositories=TRUSTED, packages=["jq"])
    amazon.run("lock").ok()
    amazon.patch.setenv("IMAGEKIT_CACHE_DIR", str(amazon.folder.parent / "another-cache"))
    for path in [path for path in amazon.registry.files if path.endswith("jq-1.7.1-49.amzn2023.x86_64.rpm")]:
        amazon.registry.files[path] = amazon.registry.files[path][:-9] + b"elsewhere"
    before = state(amazon)
    one_error(amazon.run("build", "--locked"), "jq-1.7.1-49.amzn2023.x86_64", (3, 4))
    assert state(amazon) == before


@pytest.mark.parametrize("fault", [status(404), cut(500)], ids=["gone", "cut off"])
def test_the_site_has_the_package_no_more(amazon: Bench, fault: Any) -> None:
    amazon.spec(architectures=["x86_64"], repositories=TRUSTED, packages=["jq"])
    amazon.run("lock").ok()
    amazon.patch.setenv("IMAGEKIT_CACHE_DIR", str(amazon.folder.parent / "another-cache"))
    amazon.registry.fault(r"GET .*/jq-1\.7\.1.*\.rpm", fault, times=1 << 20)
    one_error(amazon.run("build", "--locked"), "jq-1.7.1-49.amzn2023.x86_64", (3, 4))


def _damaged(kind: str, change: Callable[[bytes], bytes]) -> dict[str, bytes]:
    files = system.database_files(system.installed("x86_64"), kind)
    return {path: change(node.data or b"") for path, node in files.items()}


DATABASES: dict[str, tuple[dict[str, bytes], str]] = {
    "no database at all": ({database.SQLITE: b"no database at all"}, "not a database"),
    "cut off": (_damaged("sqlite", lambda data: data[:9000]), "malformed"),
    "zeros in the middle": (_damaged("sqlite", lambda data: data[:5000] + bytes(20_000) + data[25_000:]), "malformed"),
    "headers that are none": (
        _damaged("sqlite", lambda data: data.replace(b"\0\0\0\x3f\0\0\0\x07", b"\xff" * 8)),
        "package 1 of the RPM database",
    ),
    "empty": ({database.SQLITE: b""}, "no table of packages"),
    "of Berkeley DB, cut off": (_damaged("berkeley", lambda data: data[:5000]), "cut off"),
    "of Berkeley DB, with pages of nothing": (
        _damaged("berkeley", lambda data: data[:8192] + bytes(len(data) - 8192)),
        "RPM database",
    ),
    "of another format": ({"var/lib/rpm/Packages.db": b"RpmP" + bytes(4096)}, "no RPM database"),
}


@pytest.mark.parametrize("case", DATABASES)
def test_a_base_s_database_that_cannot_be_read(bench: Bench, case: str) -> None:
    files, words = DATABASES[case]
    offer(bench)
    held = {arch: system.installed(arch) for arch in system.OCI_ARCHES}
    layers = {oci: dict(nodes) for oci, nodes in system.with_database(held).items()}
    for nodes in layers.values():
        del nodes[database.SQLITE]
        nodes.update({path: system.Node(data) for path, data in files.items()})
    put(bench.registry, system.StandIn.make(also=layers), PROVIDED, "al2023")
    bench.spec(**X86, packages=["jq"])
    one_error(bench.run("lock"), words, (2, 3, 4))
    assert not bench.lock.exists()


def test_a_failed_build_leaves_the_last_one_as_it_was(bench: Bench) -> None:
    offer(bench, bad(damage=_cut(20)))
    bench.patch.setenv("SOURCE_DATE_EPOCH", "1760000000")
    bench.spec(**X86, packages=["jq"])
    first = bench.run("build").ok()
    layout = bench.folder / ".imagekit" / "app"
    kept = {path: path.read_bytes() for path in layout.rglob("*") if path.is_file()}
    bench.spec(**X86, packages=["jq", "bad"])
    one_error(bench.run("build"), "bad")
    assert {path: path.read_bytes() for path in layout.rglob("*") if path.is_file()} == kept
    bench.spec(**X86, packages=["jq"])
    assert bench.run("build").ok().out == first.out


def test_signatures_are_judged_again_when_the_image_is_built(bench: Bench) -> None:
    """A lock that somebody has edited does not get a package in that nobody has signed."""
    offered = samples.packages("x86_64", key())
    furnish(bench, {"x86_64": Repository(offered)})
    bench.spec(architectures=["x86_64"], repositories=TRUSTED, packages=["jq"])
    bench.run("lock").ok()
    stranger = next(item for item in samples.packages("x86_64", key("stranger")) if item.nevra.startswith("jq-1.7"))
    signed = next(item for item in offered if item.nevra == stranger.nevra)
    (path,) = [path for path in bench.registry.files if path.endswith(f"/{signed.built.sha256}/{signed.file_name}")]
    bench.registry.files[path] = stranger.built.data
    text = bench.lock.read_text().replace(f'"sha256": "{signed.built.sha256}"', f'"sha256": "{stranger.built.sha256}"')
    bench.lock.write_text(text.replace(f'"size": {len(signed.built.data)}', f'"size": {len(stranger.built.data)}'))
    bench.patch.setenv("IMAGEKIT_CACHE_DIR", str(bench.folder.parent / "another-cache"))
    one_error(bench.run("build", "--frozen"), "jq-1.7.1-49.amzn2023.x86_64|sign")


def test_the_user_s_files_stay_where_they_are(bench: Bench) -> None:
    """A local package that is no package is told by its path, and left alone."""
    offer(bench)
    path = bench.write("vendor/oracle.rpm", os.urandom(500))
    refused(bench, "vendor/oracle.rpm", "./vendor/oracle.rpm", codes=(2, 3))
    assert path.stat().st_size == 500


def _locked_with_a_stranger(bench: Bench) -> tuple[dict[str, Any], Package]:
    """A lock whose jq stands for an unsigned package of the same name and version, at another place."""
    furnish(bench, {"x86_64": Repository(samples.packages("x86_64", key()))})
    bench.spec(architectures=["x86_64"], repositories=TRUSTED, packages=["jq"])
    bench.run("lock").ok()
    stranger = next(item for item in samples.packages("x86_64", None) if item.nevra.startswith("jq-1.7"))
    bench.registry.files["/elsewhere/jq.rpm"] = stranger.built.data
    document = json.loads(bench.lock.read_text())
    packages = document["platforms"]["x86_64"]["packages"]
    packages["install"][stranger.nevra] |= {
        "url": f"http://{bench.registry.host}/elsewhere/jq.rpm",
        "sha256": stranger.built.sha256,
        "size": len(stranger.built.data),
    }
    return document, stranger


def _lock_is_refused(bench: Bench, document: dict[str, Any], words: str, codes: tuple[int, ...]) -> None:
    bench.lock.write_text(json.dumps(document, indent=2, sort_keys=True))
    for command in (["lock", "--check"], ["build", "--locked"], ["build", "--frozen"]):
        one_error(bench.run(*command), words, codes)
    assert not bench.registry.seen("elsewhere")


def test_a_lock_cannot_take_a_package_out_of_its_repository(bench: Bench) -> None:
    """Without a repository nobody's signature would be asked for."""
    document, stranger = _locked_with_a_stranger(bench)
    del document["platforms"]["x86_64"]["packages"]["install"][stranger.nevra]["repository"]
    words = f"runtime.lock|{stranger.nevra} has no `repository`|restore the committed file"
    _lock_is_refused(bench, document, words, (2,))


def test_a_lock_cannot_say_itself_that_its_package_was_asked_for_by_url(bench: Bench) -> None:
    document, stranger = _locked_with_a_stranger(bench)
    packages = document["platforms"]["x86_64"]["packages"]
    del packages["install"][stranger.nevra]["repository"]
    packages["asked"].append(packages["install"][stranger.nevra]["url"])
    _lock_is_refused(bench, document, "elsewhere/jq.rpm|no longer asked for", (1,))


def test_a_lock_cannot_leave_the_keys_of_a_repository_out_or_name_others(bench: Bench) -> None:
    document, _ = _locked_with_a_stranger(bench)
    (repository,) = document["platforms"]["x86_64"]["packages"]["repositories"].values()
    ((fingerprint, named),) = repository.pop("keys").items()
    _lock_is_refused(bench, document, "amazonlinux is locked with other keys than the spec trusts", (1,))
    repository["keys"] = {fingerprint: {**named, "url": "./stranger.asc"}}
    _lock_is_refused(bench, document, "amazonlinux is locked with other keys than the spec trusts", (1,))


def test_a_lock_cannot_bring_a_repository_of_its_own(bench: Bench) -> None:
    document, stranger = _locked_with_a_stranger(bench)
    packages = document["platforms"]["x86_64"]["packages"]
    packages["install"][stranger.nevra]["repository"] = "mine"
    _lock_is_refused(bench, document, f"{stranger.nevra} is out of mine", (2,))
    packages["repositories"]["mine"] = {**packages["repositories"]["amazonlinux"]}
    _lock_is_refused(bench, document, "the package repository mine is locked but no longer the spec's", (1,))


def test_a_lock_cannot_hold_other_bytes_of_a_package_file_than_the_spec_says(bench: Bench) -> None:
    document, _ = _locked_with_a_stranger(bench)
    mine = Package("mine", arch="noarch")
    bench.write("mine.rpm", mine.built.data)
    bench.spec(architectures=["x86_64"], repositories=TRUSTED, packages=["./mine.rpm"])
    bench.run("lock").ok()
    document = json.loads(bench.lock.read_text())
    document["platforms"]["x86_64"]["packages"]["install"][mine.nevra]["sha256"] = "0" * 64
    _lock_is_refused(bench, document, "./mine.rpm has another sha256", (1,))
