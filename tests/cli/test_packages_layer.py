"""Packages in an image: what the lock names is there as rpm would have installed it."""

from __future__ import annotations

import ssl
import sys
import tarfile
from pathlib import Path

import certifi

from tests.support.bases import Node, StandIn
from tests.support.bench import PROVIDED, Bench, put
from tests.support.commands import good
from tests.support.packages import system
from tests.support.packages.bench import TRUSTED, UNCHECKED, furnish
from tests.support.packages.package import CONFIG, NOREPLACE, Item, Package, folder
from tests.support.packages.repository import Repository
from tests.support.packages.signing import key
from tests.support.programs import X86_64, elf

#: One of the web's authorities; any certificate will do.
PEM = ssl.DER_cert_to_PEM_cert(
    ssl.create_default_context(cafile=certifi.where()).get_ca_certs(binary_form=True)[0]
).encode()
RPM_ARCHES = {"x86_64": "x86_64", "arm64": "aarch64"}


def blobs_of(bench: Bench) -> list[Path]:
    return sorted(path for path in (bench.folder.parent / "cache" / "blobs").rglob("*") if not path.suffix)


def files(layer: dict[str, tarfile.TarInfo]) -> list[str]:
    return sorted(name for name in layer if not layer[name].isdir())


def test_packages_are_a_layer_of_their_own_right_above_the_base(amazon: Bench):
    amazon.spec(packages=["jq", "oniguruma"], repositories=TRUSTED)
    amazon.run("lock").ok()
    pictures = amazon.pushed("--frozen")
    for architecture, picture in pictures.items():
        layer = picture.layer(-2)
        assert files(layer) == [
            "usr/bin/jq",
            "usr/lib64/libonig.so.5",
            "usr/lib64/libonig.so.5.6.9.7.1",
            "usr/share/doc/jq/README.md",
            "usr/share/licenses/oniguruma/COPYING",
            "usr/share/man/man1/jq.1.gz",
            "var/lib/rpm/rpmdb.sqlite",
        ]
        assert picture.read(-2, "usr/bin/jq") == b"jq of " + RPM_ARCHES[architecture].encode()
        assert picture.config["history"][-2]["created_by"] == "imagekit packages: jq, oniguruma"
    again = amazon.pushed("--frozen")
    assert {a: p.digest for a, p in again.items()} == {a: p.digest for a, p in pictures.items()}


def test_a_package_by_its_name_alone(amazon: Bench):
    amazon.spec(packages=["jq"], repositories=TRUSTED)
    pictures = amazon.pushed()
    for architecture, picture in pictures.items():
        assert picture.read(-2, "usr/bin/jq") == b"jq of " + RPM_ARCHES[architecture].encode()
        assert "usr/lib64/libonig.so.5" in picture.layer(-2)


def test_a_cache_that_cannot_be_written_builds_the_same_image(amazon: Bench):
    amazon.spec(packages=["jq", "oniguruma"], repositories=TRUSTED, architectures=["arm64"])
    amazon.run("lock").ok()
    usual = amazon.pushed("--frozen")["arm64"]
    place = amazon.write("no-folder") / "cache"
    outcome = amazon.run(
        "build", "--push", "--to", amazon.repository(), "--json", "--frozen", "--cache-dir", place
    ).ok()
    assert "this run keeps its blobs in a temporary folder" in outcome.err
    assert amazon.pictures(outcome.document["digests"])["arm64"].digest == usual.digest


def test_what_is_removed_and_swapped_is_a_whiteout(amazon: Bench):
    amazon.spec(packages=["curl"], repositories=TRUSTED, architectures=["arm64"])
    picture = amazon.pushed()["arm64"]
    assert picture.read(-2, "usr/bin/curl") == b"curl, the large one"
    assert files(picture.layer(-2)) == [
        "usr/bin/curl",
        "usr/lib64/libcurl.so.4",
        "usr/share/doc/.wh.curl-minimal",
        "var/lib/rpm/rpmdb.sqlite",
    ]


def test_the_plan_names_what_is_asked_for_and_how_many_packages_that_is(amazon: Bench):
    amazon.spec(packages=["curl"], repositories=TRUSTED, architectures=["arm64"])
    outcome = amazon.run("plan").ok()
    assert "layer packages: not cached" in outcome.out
    assert (
        "    curl: 2 packages, 2 of the base go\n"
        "      curl-8.11.1-1.amzn2023.aarch64\n"
        "      libcurl-8.11.1-1.amzn2023.aarch64\n"
        "      curl-minimal-8.5.0-1.amzn2023.aarch64 goes\n"
        "      libcurl-minimal-8.5.0-1.amzn2023.aarch64 goes\n"
    ) in outcome.out
    (document,) = amazon.run("plan", "--json").ok().document
    (part,) = document["layers"][0]["parts"]
    assert sorted(part["install"]) == ["curl-8.11.1-1.amzn2023.aarch64", "libcurl-8.11.1-1.amzn2023.aarch64"]
    assert part["database"] == "rpmdb.sqlite"
    assert document["changes"] == []


def test_the_plan_says_what_the_lock_has_otherwise(amazon: Bench):
    amazon.spec(packages=["jq = 1.6"], repositories=TRUSTED, architectures=["arm64"])
    amazon.run("lock").ok()
    amazon.spec(packages=["jq = 1.7.1", "zlib"], upgrade=["zlib"], repositories=TRUSTED, architectures=["arm64"])
    said = amazon.run("plan").ok().out
    assert "      jq-1.7.1-49.amzn2023.aarch64 (was 1.6-10.amzn2023.aarch64)\n" in said
    assert "      oniguruma-6.9.7.1-2.amzn2023.aarch64\n" in said
    assert "      zlib-1.2.13-2.amzn2023.aarch64 (new)\n" in said
    (document,) = amazon.run("plan", "--json").ok().document
    assert document["changes"] == [
        {
            "architecture": "arm64",
            "name": "jq",
            "locked": "1.6-10.amzn2023.aarch64",
            "now": "1.7.1-49.amzn2023.aarch64",
        },
        {"architecture": "arm64", "name": "zlib", "locked": "nothing", "now": "1.2.13-2.amzn2023.aarch64"},
    ]


def test_what_was_found_in_scriptlets_is_told_to_who_asks(amazon: Bench):
    amazon.spec(packages=["zlib"], upgrade=["zlib"], repositories=TRUSTED, architectures=["arm64"])
    said = amazon.run("build", "--verbose").ok().err
    assert "scriptlets of zlib-1.2.13-2.amzn2023.aarch64: linker" in said


def test_a_scriptlet_that_is_not_known_stops_the_build_unless_it_is_skipped(amazon: Bench):
    amazon.spec(packages=["strange"], repositories=TRUSTED)
    outcome = amazon.run("build")
    assert outcome.code == 3
    assert "error: the %post scriptlet of strange-1.0-1.amzn2023." in outcome.err
    assert "    /usr/bin/strange --register" in outcome.err
    assert "scriptlets: {strange: {skip: REASON}}" in outcome.err
    assert not (amazon.folder / ".imagekit" / "app" / "index.json").exists()
    amazon.spec(packages=["strange"], repositories=TRUSTED, scriptlets={"strange": {"skip": "nobody asks"}})
    amazon.run("build").ok()


def test_layers_above_meet_the_names_of_packages(amazon: Bench):
    amazon.write("data/file", b"x")
    spec = {"packages": ["php8.4-cli"], "repositories": TRUSTED, "architectures": ["x86_64"]}
    amazon.spec(**spec, files=[{"source": "data", "target": "/usr/bin/php8.4"}])
    outcome = amazon.run("build")
    assert outcome.code == 3
    assert "'/usr/bin/php8.4'" in outcome.err
    amazon.spec(**spec, files=[{"source": "data", "target": "/etc/php.d"}])
    assert "etc/php.d/file" in amazon.pushed()["x86_64"].layer(-2)


def test_a_build_that_changes_nothing_reads_no_packages(amazon: Bench):
    amazon.spec(packages=["jq"], repositories=TRUSTED)
    first = amazon.run("build").ok()
    before = len(amazon.registry.requests)
    # What is known of files by their times is kept only once these are some seconds old.
    blobs = blobs_of(amazon)
    again = amazon.run("build").ok()
    assert again.out == first.out
    assert len(amazon.registry.requests) == before
    assert blobs_of(amazon) == blobs


def test_the_build_that_writes_the_lock_makes_the_same_image_as_the_next(amazon: Bench):
    amazon.spec(packages=["zlib", "oniguruma", "jq"], upgrade=["zlib"], repositories=TRUSTED)
    first = amazon.run("build").ok()
    assert amazon.run("build").ok().out == first.out
    assert amazon.run("build", "--frozen", "--offline").ok().out == first.out


def test_names_that_the_cache_lost_are_had_again(amazon: Bench):
    amazon.write("data/file", b"x")
    amazon.spec(packages=["jq"], repositories=TRUSTED)
    amazon.run("build").ok()
    lost = [path for path in (amazon.folder.parent / "cache").rglob("*layer-names*/**/*") if path.is_file()]
    assert len(lost) == 2
    for path in lost:
        path.unlink()
    amazon.spec(packages=["jq"], repositories=TRUSTED, files=[{"source": "data", "target": "/opt"}])
    amazon.run("build").ok()


def test_a_database_that_cannot_be_written_is_warned_of_and_labelled(bench: Bench):
    furnish(bench, kind="berkeley")
    bench.spec(packages=["jq"], repositories=TRUSTED, architectures=["x86_64"])
    outcome = bench.run("build", "--push", "--to", bench.repository(), "--json").ok()
    assert (
        "warning[IK0304]: the packages are installed, and the image's RPM database /var/lib/rpm/Packages" in outcome.err
    )
    picture = bench.pushed()["x86_64"]
    label = picture.config["config"]["Labels"]["dev.imagekit.packages-not-in-database"]
    assert "jq-1.7.1-49.amzn2023.x86_64" in label
    assert "var/lib/rpm/Packages" not in picture.layer(-2)


def test_a_database_that_the_base_itself_writes_has_no_label(bench: Bench):
    furnish(bench, kind="berkeley")
    bench.spec(packages=["jq"], repositories=TRUSTED, architectures=["x86_64"])
    labels = [
        bench.run("plan", *words, "--json").ok().document[0]["settings"]["labels"]
        for words in ((), ("--engine", "docker"))
    ]
    assert ["dev.imagekit.packages-not-in-database" in one for one in labels] == [True, False]


def test_what_lambdas_user_cannot_use_is_a_warning_whenever_it_is_built(bench: Bench):
    secret = Package("secret", files={"etc/secret.conf": Item(b"x", 0o600), "var/lib/secret": folder(0o700)})
    furnish(bench, {"x86_64": Repository((secret,)), "aarch64": Repository(())})
    bench.spec(packages=["secret"], repositories=UNCHECKED, architectures=["x86_64"])
    words = "warning[IK0303]: secret-1.0-1.x86_64: Lambda's user cannot use '/etc/secret.conf'\n"
    for _ in range(2):
        outcome = bench.run("build").ok()
        assert outcome.err.count(words) == 1
        assert '"secret"' in outcome.err, "with the line of the spec"
        assert "hint: put what the function needs of them in place with `files`" in outcome.err


def test_a_strict_build_keeps_nothing_that_is_warned_of(amazon: Bench):
    package = Package("secret", "1", "1", files={"etc/secret.conf": Item(b"x", 0o600)}, signed_by=key())
    furnish(amazon, {"x86_64": Repository((package,)), "aarch64": Repository(())})
    amazon.spec(packages=["secret"], repositories=TRUSTED, architectures=["x86_64"])
    strict = amazon.run("build", "--strict")
    assert (strict.code, strict.err.count("[IK0303]"), strict.out) == (1, 1, "")
    assert not list(amazon.folder.glob(".imagekit/*/index.json"))
    amazon.run("build").ok()


def test_certificates_are_trusted_with_packages_and_without(amazon: Bench):
    amazon.write("keys/corp.pem", PEM)
    bundle = "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
    more = {oci: {bundle: b"# what was there\n"} for oci in system.OCI_ARCHES.values()}
    held = {arch: system.installed(arch) for arch in system.OCI_ARCHES}
    put(amazon.registry, StandIn.make("oci", also=system.with_database(held, "sqlite", **more)), PROVIDED, "al2023")
    for packages in ([], ["jq"]):
        amazon.spec(packages=packages, repositories=TRUSTED, certificates=["keys/corp.pem"])
        layer = amazon.pushed()["arm64"]
        made = layer.read(-2, bundle)
        assert made.startswith(b"# what was there\n# keys/corp.pem\n-----BEGIN CERTIFICATE-----\n")
        anchors = [name for name in layer.layer(-2) if name.startswith("etc/pki/ca-trust/source/anchors/corp.pem-")]
        assert len(anchors) == 1
        assert ("usr/bin/jq" in layer.layer(-2)) is bool(packages)
        assert ("var/lib/rpm/rpmdb.sqlite" in layer.layer(-2)) is bool(packages)


def test_certificates_are_in_the_bundle_of_an_empty_image(bench: Bench):
    bench.write("corp.pem", PEM)
    bench.write("bootstrap", elf(X86_64))
    bench.spec(os="scratch", architectures=["x86_64"], certificates=["corp.pem"])
    made = bench.pushed()["x86_64"].read(0, "etc/ssl/certs/ca-certificates.crt")
    assert made.count(b"BEGIN CERTIFICATE") > 50
    # This one is among the web's own, and stands there once.
    assert made.count(PEM.splitlines()[1]) == 1


def test_a_file_without_a_certificate_is_told_with_its_place(amazon: Bench):
    amazon.write("corp.pem", b"nothing")
    amazon.spec(certificates=["corp.pem"])
    outcome = amazon.run("build")
    assert outcome.code == 2
    assert "corp.pem holds no certificate" in outcome.err
    assert "runtime.yaml:" in outcome.err


def test_a_configuration_that_the_base_changed_is_read_and_kept(bench: Bench):
    def thing(version: str, data: bytes, arch: str) -> Package:
        files = {"etc/thing.conf": Item(data, flags=CONFIG | NOREPLACE)}
        return Package("thing", version, arch=arch, files=files, signed_by=key())

    furnish(bench, {arch: Repository((thing("2.0", b"new", arch),)) for arch in system.OCI_ARCHES})
    held = {arch: (*system.installed(arch), thing("1.0", b"old", arch)) for arch in system.OCI_ARCHES}
    also = system.with_database(held)
    for nodes in also.values():
        nodes["etc/thing.conf"] = Node(b"mine", 0o600)
    put(bench.registry, StandIn.make("oci", also=also), PROVIDED, "al2023")
    bench.spec(upgrade=["thing"], repositories=TRUSTED, architectures=["x86_64"])
    picture = bench.pushed()["x86_64"]
    assert files(picture.layer(-2)) == ["etc/thing.conf.rpmnew", "var/lib/rpm/rpmdb.sqlite"]
    assert picture.read(-2, "etc/thing.conf.rpmnew") == b"new"


#: What only a build that makes something needs.
HEAVY = (
    *("imagekit.resolve", "imagekit.engines.native", "imagekit.rpm.header", "solv", "apsw", "pysequoia"),
    *("imagekit.rootfs.layer", "imagekit.rootfs.tar_reader", "imagekit.rootfs.authorities", "imagekit.rootfs.watched"),
    *("zstandard", "lzma", "tempfile"),
)
BUILD_AND_LOOK = """
import sys
from imagekit.cli import main
try:
    main(["build"])
except SystemExit as end:
    assert not end.code, end.code
print("loaded", [name for name in sys.argv[1:] if name in sys.modules])
"""


def test_a_build_that_changes_nothing_loads_nothing_of_what_makes_layers(amazon: Bench):
    amazon.spec(repositories=TRUSTED, packages=["jq"])
    first = amazon.run("build").ok()
    again = good(sys.executable, "-c", BUILD_AND_LOOK, *HEAVY, folder=amazon.folder)
    assert again.lines == [*first.out.splitlines(), "loaded []"]
