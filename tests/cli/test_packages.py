"""Packages of a spec, chosen and locked: what the command line says and what stands in the lock."""

import json
import os
import shutil
import sys
from dataclasses import replace

import pytest

from tests.support.packages import samples, site, system
from tests.support.packages.bench import TRUSTED, UNCHECKED, furnish
from tests.support.packages.package import Package
from tests.support.packages.repository import Advisory, Repository
from tests.support.packages.signing import key


def packages(bench, architecture="x86_64"):
    return json.loads(bench.lock.read_bytes())["platforms"][architecture]["packages"]


def lock(bench, *arguments, **keys):
    """The packages of the lock of a spec with these keys, for x86_64."""
    bench.spec(**{"repositories": TRUSTED, **keys})
    bench.run("lock", *arguments).ok()
    return packages(bench)


def installed(found):
    return sorted(found["install"])


def failed(bench, code=3, **keys):
    """What is said of a spec that cannot be locked; nothing is written."""
    bench.spec(**{"repositories": TRUSTED, **keys})
    outcome = bench.run("lock")
    assert outcome.code == code, outcome.err
    assert not bench.lock.exists()
    return outcome.err


def test_a_package_comes_with_what_it_needs_for_each_architecture(amazon):
    found = lock(amazon, packages=["jq"])
    assert installed(found) == ["jq-1.7.1-49.amzn2023.x86_64", "oniguruma-6.9.7.1-2.amzn2023.x86_64"]
    jq, oniguruma = (found["install"][name] for name in installed(found))
    assert jq["because"] == {"asked": "jq"}
    assert oniguruma["because"] == {"requires": "libonig.so.5()(64bit)", "of": "jq"}
    built = {item.nevra: item.built for item in samples.packages("x86_64", key())}["jq-1.7.1-49.amzn2023.x86_64"]
    assert (jq["sha256"], jq["size"]) == (built.sha256, len(built.data))
    assert jq["url"] == f"https://cdn.amazonlinux.com/al2023/blobstore/{built.sha256}/jq-1.7.1-49.amzn2023.x86_64.rpm"
    assert installed(packages(amazon, "arm64")) == [name.replace("x86_64", "aarch64") for name in installed(found)]
    (repository,) = found["repositories"].values()
    assert list(repository["keys"]) == [key().fingerprint]
    assert repository["url"].startswith("https://cdn.amazonlinux.com/al2023/core/guids/")


def test_what_the_base_has_is_not_installed_again(amazon):
    found = lock(amazon, packages=["bash", "libz.so.1()(64bit)"])
    assert (found["install"], found["remove"]) == ({}, {})
    assert found["asked"] == ["bash", "libz.so.1()(64bit)"]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("jq = 1.6", ["jq-1.6-10.amzn2023.x86_64", "oniguruma"]),
        ("jq-1.6", ["jq-1.6-10.amzn2023.x86_64", "oniguruma"]),
        ("jq >= 1.7", ["jq-1.7.1-49.amzn2023.x86_64", "oniguruma"]),
        ("oniguruma.x86_64", ["oniguruma-6.9.7.1-2.amzn2023.x86_64"]),
        ("libonig.so.5()(64bit)", ["oniguruma-6.9.7.1-2.amzn2023.x86_64"]),
        ("/usr/bin/jq", ["jq-1.7.1-49.amzn2023.x86_64", "oniguruma"]),
        ("/usr/share/man/man1/jq.1.gz", ["jq-1.7.1-49.amzn2023.x86_64", "oniguruma"]),
        ("php8.4-c*", ["libicu", "php8.4-cli", "php8.4-common"]),
        ("nginx", ["nginx-1:1.26.2-1.amzn2023.x86_64"]),
        ("old-name", ["new-name"]),
        ("by-path", ["by-path", "ping"]),
    ],
)
def test_words_are_those_of_dnf(amazon, words, names):
    found = installed(lock(amazon, packages=[words], architectures=["x86_64"]))
    assert len(found) == len(names)
    assert all(nevra.startswith(name) for nevra, name in zip(found, sorted(names), strict=True)), found


def test_recommended_packages_come_only_when_asked_for(amazon):
    assert installed(lock(amazon, packages=["jq"])) == installed(lock(amazon, packages=["jq"], weak_dependencies=False))
    found = lock(amazon, packages=["jq"], weak_dependencies=True)
    assert found["install"]["jq-completion-1.0-1.amzn2023.noarch"]["because"] == {
        "recommends": "jq-completion",
        "of": "jq",
    }


def test_a_version_that_is_not_there_is_told_with_those_that_are(amazon):
    for word in ("jq >= 9", "jq-9", "jq=9"):
        outcome = failed(amazon, packages=[word], architectures=["x86_64"])
        assert f"no package is, or provides, {word}; there is jq 1.7.1-49.amzn2023, jq 1.6-10.amzn2023" in outcome
        assert "hint: ask for a version that is there\n" in outcome


def test_a_spec_for_one_architecture_is_not_told_of_others(amazon):
    assert "hint: correct the name\n" in failed(amazon, packages=["jqq"], architectures=["x86_64"])


def test_where_no_repository_is_left_that_is_said(amazon):
    off = [{"name": "amazonlinux", "enabled": False}]
    assert "all package repositories are taken out" in failed(amazon, packages=["jq"], repositories=off)


def test_what_is_wrong_with_a_package_file_or_a_key_has_its_place(amazon):
    host = f"http://{amazon.registry.host}"
    amazon.write("vendor/tool.rpm", b"no package")
    amazon.write("keys/bad.asc", b"nothing")
    bad = [{"name": "amazonlinux", "gpgkey": "keys/bad.asc"}]
    for keys, code in (
        ({"packages": [f"{host}/none.rpm"]}, 4),
        ({"packages": ["./vendor/tool.rpm"]}, 3),
        ({"packages": ["jq"], "repositories": bad}, 2),
        ({"packages": ["jq"], "repositories": [{**bad[0], "gpgkey": "keys/none.asc"}]}, 2),
    ):
        assert "  at runtime.yaml:" in failed(amazon, code, **keys)


def test_a_package_for_one_architecture(amazon):
    outcome = failed(amazon, packages=["jq", "only-x86"])
    assert "aarch64: no package is, or provides, only-x86" in outcome
    assert "write `{name: only-x86, only: [x86_64]}` for a package of one architecture alone" in outcome
    lock(amazon, packages=["jq", {"name": "only-x86", "only": ["x86_64"]}])
    assert "only-x86-1.0-1.amzn2023.x86_64" in installed(packages(amazon))
    assert len(installed(packages(amazon, "arm64"))) == 2


def test_a_repository_for_all_architectures_has_a_package_for_one(amazon):
    site.serve(amazon.registry.files, "/corp", Repository((Package("onlyx", arch="x86_64"),)))
    corp = {"name": "corp", "baseurl": f"http://{amazon.registry.host}/corp", "gpgcheck": False}
    outcome = failed(amazon, packages=["onlyx"], repositories=[*TRUSTED, corp])
    assert "aarch64: onlyx is there for x86_64 only" in outcome
    assert "hint: write `{name: onlyx, only: [x86_64]}`" in outcome
    assert "at runtime.yaml:" in outcome


def test_a_package_file_for_another_architecture(amazon):
    amazon.write("vendor/tool.rpm", Package("tool", arch="aarch64", signed_by=key()).built.data)
    outcome = failed(amazon, packages=["./vendor/tool.rpm"])
    assert "x86_64: ./vendor/tool.rpm is a package for aarch64" in outcome
    assert "hint: write `{name: ./vendor/tool.rpm, only: [arm64]}`" in outcome
    assert "at runtime.yaml:" in outcome
    lock(amazon, packages=["jq", {"name": "./vendor/tool.rpm", "only": ["arm64"]}])
    assert "tool-1.0-1.aarch64" in installed(packages(amazon, "arm64"))


@pytest.mark.parametrize("key_", ["upgrade", "remove"])
def test_what_the_base_does_not_have_is_told_with_its_own_place(amazon, key_):
    outcome = failed(amazon, packages=["jq"], **{key_: ["zlibb"]})
    text = (amazon.folder / "runtime.yaml").read_text().splitlines()
    line = next(number for number, line in enumerate(text, 1) if "zlibb" in line)
    assert "x86_64: the base has no zlibb; there is zlib" in outcome
    assert f"at runtime.yaml:{line}:" in outcome
    assert f"hint: correct the name: `{key_}` is for packages of the base" in outcome
    assert "only:" not in outcome


def test_several_names_that_mean_nothing_have_a_place_each(amazon):
    outcome = failed(amazon, packages=["jqq", "ngin"], upgrade=["zlibb"], architectures=["x86_64"])
    for name in ("jqq", "ngin", "zlibb"):
        (line,) = [line for line in outcome.splitlines() if f" {name}" in line and "x86_64: " in line]
        assert "(runtime.yaml:" in line


@pytest.mark.parametrize("key_", ["upgrade", "packages"])
def test_a_package_cannot_come_and_go(amazon, key_):
    outcome = failed(amazon, 2, remove=["zlib"], **{key_: ["jq", "zlib"] if key_ == "packages" else ["zlib"]})
    assert f"error[IK0107]: zlib is under `{key_}` and under `remove`" in outcome


def test_a_version_of_a_package_that_is_removed_is_named(amazon):
    outcome = failed(amazon, packages=["bash >= 5"], remove=["bash"], architectures=["x86_64"])
    assert "conflicting requests: bash >= 5 under `packages` is under `remove` too" in outcome


def test_all_unknown_packages_are_told_at_once_with_the_nearest_names(amazon):
    outcome = failed(amazon, packages=["jqq", "php8.5-cli", "php"], remove=["curl-minimale"])
    for architecture in ("x86_64", "aarch64"):
        assert f"{architecture}: no package is, or provides, jqq; there is jq (runtime.yaml:" in outcome
        assert f"{architecture}: no package is, or provides, php8.5-cli; there is php8.4-cli" in outcome
        assert f"{architecture}: no package is, or provides, php; there is php8.4-cli, php8.4-common" in outcome
        assert f"{architecture}: the base has no curl-minimale; there is curl-minimal, libcurl-minimal" in outcome
    assert "hint: correct the names" in outcome
    one = failed(amazon, packages=["jqq"], architectures=["x86_64"])
    assert "at runtime.yaml:" in one


def test_why_something_cannot_be_had_is_told_in_the_solver_s_words(amazon):
    outcome = failed(amazon, packages=["needs-nothing-there", "jq"], architectures=["x86_64"])
    assert "x86_64: what is asked for cannot be had together" in outcome
    assert "nothing provides nowhere.so.1()(64bit) needed by needs-nothing-there-1.0-1.x86_64" in outcome
    outcome = failed(amazon, packages=["this", "that"], architectures=["x86_64"])
    assert "package this-1.0-1.x86_64 conflicts with that provided by that-1.0-1.x86_64" in outcome


def test_whole_packages_take_the_place_of_the_base_s_small_ones(amazon):
    found = lock(amazon, packages=["curl"])
    assert [nevra.rsplit("-", 2)[0] for nevra in installed(found)] == ["curl", "libcurl"]
    assert found["remove"] == {
        "curl-minimal-8.5.0-1.amzn2023.x86_64": {"conflicts": "curl", "of": "curl"},
        "libcurl-minimal-8.5.0-1.amzn2023.x86_64": {"conflicts": "libcurl", "of": "libcurl"},
    }


def test_packages_of_the_base_are_removed_with_what_needs_them(amazon):
    found = lock(amazon, remove=["libcurl-minimal"])
    assert found["remove"] == {
        "curl-minimal-8.5.0-1.amzn2023.x86_64": {"lacks": "libcurl.so.4()(64bit)", "of": "libcurl-minimal"},
        "libcurl-minimal-8.5.0-1.amzn2023.x86_64": {"removed": "libcurl-minimal"},
    }
    assert (found["install"], found["repositories"]) == ({}, {}), "what only removes asks no repository"


@pytest.mark.parametrize(
    ("upgrade", "names"),
    [
        ("none", []),
        ("security", ["zlib-1.2.13"]),
        ("all", ["libcurl-minimal-8.11.1", "zlib-1.2.13"]),
        (["libcurl-minimal"], ["libcurl-minimal-8.11.1"]),
        (["zlib", "lib*"], ["libcurl-minimal-8.11.1", "zlib-1.2.13"]),
    ],
)
def test_the_base_is_brought_up_to_date_as_far_as_asked(amazon, upgrade, names):
    found = lock(amazon, upgrade=upgrade, packages=["oniguruma"])
    assert [nevra.rsplit("-", 1)[0] for nevra in installed(found) if not nevra.startswith("oni")] == names
    old = {"zlib": "zlib-1.2.11-33.amzn2023.x86_64", "libcurl-minimal": "libcurl-minimal-8.5.0-1.amzn2023.x86_64"}
    for nevra, item in found["install"].items():
        name = nevra.rsplit("-", 2)[0]
        if name in old:
            assert item["because"] == {"upgrades": old[name]}
            assert found["remove"][old[name]] == {"replaced": nevra}
    assert len(found["remove"]) == len(names)


def test_what_is_locked_stays_until_it_is_upgraded(amazon):
    before = lock(amazon, packages=["jq"])
    arches = ("x86_64", "aarch64")
    newer = {
        arch: (*samples.packages(arch, key()), Package("jq", "1.8", "1.amzn2023", arch, signed_by=key()))
        for arch in arches
    }
    furnish(amazon, {arch: Repository(items) for arch, items in newer.items()})
    after = lock(amazon, packages=["jq", "nginx"])
    assert installed(after) == sorted([*before["install"], "nginx-1:1.26.2-1.amzn2023.x86_64"])
    assert "jq-1.8-1.amzn2023.x86_64" in installed(lock(amazon, "--upgrade", packages=["jq", "nginx"]))


def test_a_locked_version_that_is_gone_is_chosen_anew(amazon):
    lock(amazon, packages=["jq"])
    items = tuple(item for item in samples.packages("x86_64", key()) if item.name != "jq")
    furnish(amazon, {"x86_64": Repository((*items, Package("jq", "1.8", "1.amzn2023", "x86_64", signed_by=key())))})
    assert "jq-1.8-1.amzn2023.x86_64" in installed(lock(amazon, packages=["jq", "nginx"], architectures=["x86_64"]))


def test_a_stale_lock_says_which_packages_differ(amazon):
    lock(amazon, packages=["jq"])
    amazon.spec(packages=["nginx"], repositories=TRUSTED)
    outcome = amazon.run("lock", "--check")
    assert outcome.code == 1
    assert (
        "x86_64: the package nginx is not locked; x86_64: the package jq is locked but no longer asked for"
        in outcome.err
    )
    amazon.spec(packages=["jq"], repositories=[{**TRUSTED[0], "priority": 5}])
    assert "written otherwise" in amazon.run("lock", "--check").err
    amazon.spec(repositories=TRUSTED)
    assert "the package jq is locked but no longer asked for" in amazon.run("lock", "--check").err


def test_a_lock_is_judged_without_the_network(amazon):
    lock(amazon, packages=["jq"])
    amazon.registry.files.clear()
    amazon.run("lock", "--check").ok()
    amazon.run("lock").ok()


def test_a_second_choice_uses_what_is_in_the_cache(amazon):
    lock(amazon, packages=["jq"])
    amazon.lock.unlink()
    amazon.registry.clear()
    lock(amazon, packages=["jq"])
    asked = [path for path in amazon.registry.seen() if "repodata" in path]
    assert len(asked) == 2, "repomd.xml is asked for anew, the lists that it names are there"


def test_package_files_outside_all_repositories(amazon):
    tool, lib = Package("tool", requires=("jq", "liblocal"), arch="noarch"), Package("liblocal", arch="noarch")
    amazon.write("vendor/tool.rpm", tool.built.data)
    amazon.registry.files["/extra/liblocal.rpm"] = lib.built.data
    url = f"http://{amazon.registry.host}/extra/liblocal.rpm"
    found = lock(
        amazon, packages=["./vendor/tool.rpm", {"name": url, "sha256": lib.built.sha256}], architectures=["x86_64"]
    )
    assert [nevra.rsplit("-", 2)[0] for nevra in installed(found)] == ["jq", "liblocal", "oniguruma", "tool"]
    mine = found["install"]["tool-1.0-1.noarch"]
    assert (mine["url"], mine["sha256"], mine["because"]) == (
        "./vendor/tool.rpm",
        tool.built.sha256,
        {"asked": "./vendor/tool.rpm"},
    )
    assert "repository" not in mine
    assert found["install"]["liblocal-1.0-1.noarch"]["url"] == url
    amazon.write("vendor/tool.rpm", replace(tool, version="2").built.data)
    outcome = amazon.run("lock", "--check")
    assert outcome.code == 1
    assert "x86_64: ./vendor/tool.rpm has another sha256 than what is locked" in outcome.err


@pytest.mark.parametrize(
    ("signer", "pinned", "words"),
    [
        (None, False, "it is not signed"),
        (key("stranger"), False, "it is signed by"),
        (key(), False, ""),
        (None, True, ""),
        (key("stranger"), True, ""),
    ],
)
@pytest.mark.parametrize("is_local", [True, False])
def test_package_files_that_nobody_answers_for_are_a_warning(amazon, signer, pinned, words, is_local):
    tool = Package("tool", arch="noarch", signed_by=signer)
    amazon.write("vendor/tool.rpm", tool.built.data)
    amazon.registry.files["/extra/tool.rpm"] = tool.built.data
    name = "./vendor/tool.rpm" if is_local else f"http://{amazon.registry.host}/extra/tool.rpm"
    amazon.spec(packages=[{"name": name, **({"sha256": tool.built.sha256} if pinned else {})}], repositories=TRUSTED)
    first, again = amazon.run("lock").ok(), amazon.run("lock").ok()
    outcome = amazon.run("build", "--strict")
    assert outcome.code == bool(words), outcome.err
    for err in (first.err, outcome.err):
        assert err.count("[IK0110]") == bool(words), "once, though it is for both architectures"
        assert words in err
        assert not words or f"{name}: {words}" in err
    assert "runtime.yaml:" in first.err or not words
    assert "IK0110" not in again.err
    assert ("[IK0110]" in amazon.run("build").ok().err) == bool(words)


def test_scriptlets_of_a_package_that_is_not_there_are_a_warning(amazon):
    keys = {"packages": ["jq"], "repositories": TRUSTED}
    amazon.spec(**keys, scriptlets={"jqq": "skip", "oniguruma": "skip", "bash": {"skip": "of the base"}})
    outcome = amazon.run("lock").ok()
    assert outcome.err.count("warning[IK0111]: `scriptlets` has jqq, a package that the image does not have") == 1
    assert outcome.err.count("[IK0111]") == 1
    assert "[IK0111]" in amazon.run("plan").ok().err
    assert "[IK0111]" in amazon.run("invoke").err, "whether it runs here or not"
    assert "hint: did you mean `jq`?" in outcome.err
    assert "runtime.yaml:" in outcome.err
    assert amazon.run("build", "--strict").code == 1
    amazon.spec(**keys, scriptlets={"jq": "skip"})
    assert "IK0111" not in amazon.run("build", "--strict").ok().err


def test_package_files_that_are_not_what_they_should_be(amazon):
    amazon.write("vendor/tool.rpm", b"no package")
    assert "./vendor/tool.rpm is damaged" in failed(amazon, packages=["./vendor/tool.rpm"])
    for name in ("-rf", "go\nd", "\x1b[2J"):
        amazon.write("vendor/tool.rpm", Package(name).built.data)
        said = failed(amazon, packages=["./vendor/tool.rpm"])
        assert "./vendor/tool.rpm" in said
        assert f"is damaged: {name!r} can be no name" in said
    amazon.write("vendor/tool.rpm", b"no package")
    assert "has another checksum" in failed(amazon, packages=[{"name": "./vendor/tool.rpm", "sha256": "0" * 64}])
    assert "No such file" in failed(amazon, 2, packages=["./vendor/other.rpm"])
    amazon.write("../outside.rpm", b"no package")
    assert "leaves `root`" in failed(amazon, 2, packages=["../outside.rpm"])


def test_a_repository_of_one_s_own_stands_beside_the_base_s(amazon):
    mine = Repository((Package("jq", "99", "1", "x86_64"), Package("mine", "1", "1", "x86_64", requires=("jq",))))
    site.serve(amazon.registry.files, "/corp/x86_64", mine)
    corp = {"name": "corp", "baseurl": f"http://{amazon.registry.host}/corp/{{rpm_arch}}", "gpgcheck": False}
    found = lock(amazon, packages=["mine"], repositories=[*TRUSTED, corp], architectures=["x86_64"])
    assert installed(found) == ["jq-99-1.x86_64", "mine-1-1.x86_64"]
    assert found["install"]["mine-1-1.x86_64"]["url"].startswith(f"http://{amazon.registry.host}/corp/x86_64/Packages/")
    assert found["install"]["mine-1-1.x86_64"]["repository"] == "corp"
    low = {**corp, "priority": 120}
    found = lock(amazon, packages=["mine"], repositories=[*TRUSTED, low], architectures=["x86_64"])
    assert installed(found)[0] == "jq-99-1.x86_64", "the lock keeps what it has"
    amazon.lock.unlink()
    found = lock(amazon, packages=["mine"], repositories=[*TRUSTED, low], architectures=["x86_64"])
    assert installed(found)[0] == "jq-1.7.1-49.amzn2023.x86_64"


def test_a_repository_that_is_taken_out_is_never_asked(amazon):
    site.serve(amazon.registry.files, "/corp", Repository((Package("mine", "1", "1", "noarch"),)))
    corp = {"name": "corp", "baseurl": f"http://{amazon.registry.host}/corp", "gpgcheck": False}
    amazon.registry.clear()
    found = lock(amazon, packages=["mine"], repositories=[{"name": "amazonlinux", "enabled": False}, corp])
    assert list(found["repositories"]) == ["corp"]
    assert not [path for path in amazon.registry.seen() if "al2023" in path and "mirror.list" in path]


def test_the_release_of_the_base_chooses_the_repository(amazon):
    del amazon.registry.files["/al2023/core/mirrors/latest/x86_64/mirror.list"]
    lock(amazon, packages=["jq"], architectures=["x86_64"])
    repositories = [{**TRUSTED[0], "release": "latest"}]
    amazon.lock.unlink()
    assert "mirrors/latest/x86_64/mirror.list" in failed(
        amazon, 4, packages=["jq"], repositories=repositories, architectures=["x86_64"]
    )


def test_a_base_that_does_not_say_its_release_is_warned_about(amazon, registry):
    from tests.support.bench import PROVIDED, put

    held = {
        arch: [item for item in system.installed(arch) if item.name != "system-release"]
        for arch in ("x86_64", "aarch64")
    }
    put(registry, system.base("sqlite", held), PROVIDED, "al2023")
    amazon.spec(packages=["jq"], repositories=TRUSTED)
    outcome = amazon.run("lock").ok()
    assert "warning[IK0113]: the base has no system-release package: the package repository amazonlinux" in outcome.err
    assert outcome.err.count("IK0113") == 1
    assert "IK0113" in amazon.run("plan").ok().err
    assert amazon.run("build", "--strict").code == 1
    lock(amazon, packages=["jq"], repositories=[{**TRUSTED[0], "release": "latest"}])
    assert "IK0113" not in amazon.run("build", "--strict").ok().err


def test_keys_are_trusted_by_their_fingerprint(amazon):
    wrong = [{**TRUSTED[0], "fingerprint": "0" * 40}]
    assert f"do not include {'0' * 40}" in failed(amazon, packages=["jq"], repositories=wrong)
    right = [{**TRUSTED[0], "fingerprint": key().fingerprint}]
    assert list(lock(amazon, packages=["jq"], repositories=right)["repositories"]["amazonlinux"]["keys"]) == [
        key().fingerprint
    ]
    amazon.lock.unlink()
    amazon.write("keys/packager.asc", b"no key")
    assert "keys/packager.asc is no OpenPGP certificate" in failed(amazon, 2, packages=["jq"])


def test_a_key_lies_below_root(amazon):
    amazon.write("../stranger.asc", key().armored)
    (amazon.folder / "keys/packager.asc").unlink()
    assert "No such file" in failed(amazon, 2, packages=["jq"])
    (amazon.folder / "keys/packager.asc").mkdir()
    assert "hint: `gpgkey` names a file that can be read" in failed(amazon, 2, packages=["jq"])
    (amazon.folder / "keys/packager.asc").rmdir()
    (amazon.folder / "keys/packager.asc").symlink_to("../../stranger.asc")
    assert "keys/packager.asc leads to" in failed(amazon, 2, packages=["jq"])


def test_a_system_s_own_key_is_fetched_and_has_to_be_the_one_that_is_known(amazon):
    amazon.registry.files["/_assets/E951904AD832C631.asc"] = key().armored
    assert "do not include B21C50FA44A99720EAA72F7FE951904AD832C631" in failed(amazon, packages=["jq"], repositories=[])


def test_packages_without_a_signature_are_a_warning(amazon):
    amazon.spec(packages=["jq"], repositories=UNCHECKED)
    outcome = amazon.run("lock").ok()
    assert "warning[IK0110]: packages of amazonlinux are taken without a signature" in outcome.err
    assert "keys" not in packages(amazon)["repositories"]["amazonlinux"]


def test_the_list_of_packages_may_have_to_be_signed(amazon):
    checked = [{**TRUSTED[0], "repo_gpgcheck": True}]
    assert "repomd.xml.asc" in failed(amazon, 4, packages=["jq"], repositories=checked)
    for signer, good in ((key("stranger"), False), (key(), True)):
        signed = {arch: replace(samples.repository(arch, key()), signed_by=signer) for arch in ("x86_64", "aarch64")}
        furnish(amazon, signed)
        if good:
            lock(amazon, packages=["jq"], repositories=checked)
        else:
            assert "it is signed by" in failed(amazon, packages=["jq"], repositories=checked)


@pytest.mark.parametrize(("signer", "words"), [(None, "it is not signed"), (key("stranger"), "it is signed by")])
def test_packages_have_to_be_signed_by_a_trusted_key(amazon, signer, words):
    furnish(amazon, {arch: samples.repository(arch, signer) for arch in ("x86_64", "aarch64")})
    assert words in failed(amazon, packages=["jq"])
    lock(amazon, packages=["jq"], repositories=UNCHECKED)


def test_old_signatures_over_header_and_payload_count_too(amazon):
    old = {arch: Package("old", arch=arch, signed_whole_by=key(), compressor="xz") for arch in ("x86_64", "aarch64")}
    furnish(amazon, {arch: Repository((package,)) for arch, package in old.items()})
    assert installed(lock(amazon, packages=["old"])) == ["old-1.0-1.x86_64"]


def test_a_package_that_is_another_one_is_refused(amazon):
    """Its checksum is right: the repository itself says so."""
    mine = Package("mine", "1", "1", "noarch", signed_by=key())
    lists = Repository((mine,))
    lying = replace(lists, instead={"primary": lists.metadata["primary"].replace(b"<name>mine<", b"<name>yours<")})
    site.serve(amazon.registry.files, "/corp", lying)
    own = [{**TRUSTED[0], "baseurl": f"http://{amazon.registry.host}/corp"}]
    words = "is the package mine-1-1.noarch, not yours-1-1.noarch"
    assert words in failed(amazon, packages=["yours"], repositories=own)


def test_a_package_with_another_checksum_is_refused(amazon):
    _spoil(amazon, "jq-1.7.1", lambda data: data[:-9] + b"\0" * 9)
    assert "has another checksum" in failed(amazon, packages=["jq"])


def _spoil(bench, part, change):
    """Change the files of the site whose path holds `part`."""
    paths = [path for path in bench.registry.files if part in path]
    assert paths
    for path in paths:
        bench.registry.files[path] = change(bench.registry.files[path])


@pytest.mark.parametrize(
    ("part", "change", "code", "words"),
    [
        ("mirror.list", lambda _: b"", 4, "is no list of mirrors"),
        ("mirror.list", lambda _: b"<metalink/>", 4, "is no list of mirrors"),
        ("mirror.list", lambda _: b"file:///etc/\n", 2, "only http and https are spoken"),
        ("mirror.list", lambda _: b"http://169.254.169.254/x/\n", 4, "which is not followed"),
        ("repomd.xml", lambda data: data[:200], 4, "repomd.xml"),
        ("repomd.xml", lambda data: data.replace(b'href="', b'href="https://evil.example/'), 4, "at another place"),
        ("repomd.xml", lambda data: data.replace(b'href="', b'href="file:///'), 4, "at another place"),
        (
            "repomd.xml",
            lambda data: data.replace(b"<open-size>", b"<open-size>1"),
            3,
            "a list of its packages has",
        ),
        ("primary", lambda data: data[:20] + b"\xff" + data[21:], 3, "has another checksum"),
        ("primary", lambda data: data + b"\0", 3, "more than the"),
        ("primary", lambda data: data[:-9], 3, "expected"),
    ],
)  # fmt: skip
def test_a_site_that_answers_something_else(amazon, part, change, code, words):
    _spoil(amazon, part, change)
    assert words in failed(amazon, code, packages=["jq"])


def test_a_site_that_is_down(amazon):
    amazon.registry.files.clear()
    outcome = failed(amazon, 4, packages=["jq"])
    assert "404" in outcome
    assert "mirror.list" in outcome
    assert "hint: check `mirrorlist` and `release` of the package repository amazonlinux" in outcome
    corp = {"name": "corp", "baseurl": f"http://{amazon.registry.host}/corp", "gpgcheck": False}
    off = {"name": "amazonlinux", "enabled": False}
    outcome = failed(amazon, 4, packages=["jq"], repositories=[off, corp])
    assert "hint: check `baseurl` and `release` of the package repository corp" in outcome
    assert "at runtime.yaml:" in outcome
    key_ = {"gpgkey": f"http://{amazon.registry.host}/key.asc", "fingerprint": "A" * 40}
    outcome = failed(amazon, 4, packages=["jq"], repositories=[off, {**corp, **key_, "gpgcheck": True}])
    assert "hint: check `gpgkey`: there is no key at its URL" in outcome


@pytest.mark.parametrize("primary", [b"", b"<metadata", b"<html/>", b"<metadata><package></metadata>", b"\0" * 1000])
def test_a_list_of_packages_that_is_none(amazon, primary):
    broken = {
        arch: replace(samples.repository(arch, key()), instead={"primary": primary}) for arch in ("x86_64", "aarch64")
    }
    furnish(amazon, broken)
    outcome = failed(amazon, packages=["jq"])
    assert "amazonlinux" in outcome or "no package is, or provides, jq" in outcome


@pytest.mark.parametrize("compression", ["", "xz", "zst"])
def test_lists_are_compressed_in_any_way(amazon, compression):
    furnish(amazon, {arch: samples.repository(arch, key(), compression) for arch in ("x86_64", "aarch64")})
    found = lock(amazon, packages=["by-path"], upgrade="security")
    assert len(found["install"]) == 3


@pytest.mark.parametrize(
    "href", ["https://evil.example/x.rpm", "file:///etc/passwd", "//evil.example/x.rpm", "http://[x/"]
)
def test_a_package_at_another_place_is_refused(amazon, href):
    furnish(amazon)
    lists = samples.repository("x86_64", key())
    hostile = replace(
        lists, instead={"primary": lists.metadata["primary"].replace(b'href="Packages/', f'href="{href}?'.encode())}
    )
    site.serve(amazon.registry.files, "/corp", hostile)
    own = [{"name": "amazonlinux", "baseurl": f"http://{amazon.registry.host}/corp", "gpgcheck": False}]
    assert "names a file at another place" in failed(
        amazon, 4, packages=["jq"], repositories=own, architectures=["x86_64"]
    )


@pytest.mark.parametrize("kind", ["logged", "berkeley"])
def test_other_databases_are_read_too(amazon, kind):
    furnish(amazon, kind=kind)
    found = lock(amazon, packages=["bash", "zlib", "jq"])
    assert [nevra.rsplit("-", 2)[0] for nevra in installed(found)] == ["jq", "oniguruma"]


def test_amazon_linux_2_has_a_core_and_topics(bench, registry):
    from tests.support.bench import PROVIDED, PUBLIC, put

    put(registry, system.base("berkeley"), PROVIDED, "al2")
    core = {arch: samples.repository(arch, key()) for arch in ("x86_64", "aarch64")}
    php = Repository(
        tuple(Package("php-cli", "8.2", "1.amzn2", arch, signed_by=key()) for arch in ("x86_64", "aarch64"))
    )
    site.al2(registry.files, core, **{"php8.2": php})
    bench.write("keys/packager.asc", key().armored)
    bench.patch.setenv("IMAGEKIT_MIRROR", f"{PUBLIC}={registry.host},{site.HOST}={registry.host}")
    topic = {"name": "amazonlinux-extras-php8.2", "gpgkey": "keys/packager.asc"}
    bench.spec(os="al2", packages=["php-cli", "jq"], repositories=[*TRUSTED, topic])
    bench.run("lock").ok()
    assert sorted(packages(bench)["repositories"]) == ["amazonlinux", "amazonlinux-extras-php8.2"]
    assert packages(bench)["install"]["php-cli-8.2-1.amzn2.x86_64"]["repository"] == "amazonlinux-extras-php8.2"
    assert packages(bench)["install"]["php-cli-8.2-1.amzn2.x86_64"]["url"].startswith(
        "https://cdn.amazonlinux.com/blobstore/"
    )


def test_without_libsolv_packages_cannot_be_chosen_but_a_lock_can_be_built_from(amazon):
    lock(amazon, packages=["jq"], architectures=["x86_64"])
    amazon.patch.setitem(sys.modules, "solv", None)
    amazon.run("build", "--locked").ok()
    amazon.lock.unlink()
    outcome = failed(amazon, 5, packages=["jq"], architectures=["x86_64"])
    assert "error: packages cannot be chosen on this machine" in outcome
    assert "images are built from the lock anywhere" in outcome


def test_a_base_without_a_database_says_so(bench):
    bench.spec(packages=["jq"])
    assert "the base has no RPM database" in bench.run("lock").err


def test_an_empty_image_has_no_packages(bench):
    bench.spec(os="scratch", packages=["jq"])
    outcome = bench.run("validate")
    assert outcome.code == 2
    assert "error[IK0205]: scratch has no packages" in outcome.err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("slim", True),
        ("engine", "docker"),
        ("weak_dependencies", True),
        ("scriptlets", {"jq": "skip"}),
        ("repositories", UNCHECKED),
        ("upgrade", "all"),
        ("remove", ["jq"]),
    ],
)
def test_an_empty_image_has_nothing_to_say_of_packages(bench, name, value):
    bench.spec(os="scratch", **{name: value})
    outcome = bench.run("validate")
    assert outcome.code == 2
    assert "error[IK0205]: scratch has no packages" in outcome.err
    bench.spec(os="scratch", slim=False, repositories=[])
    assert "IK0205" not in bench.run("validate").err


def test_an_empty_image_has_no_shell(bench):
    bench.spec(os="scratch", engine="docker", run=["true"])
    assert "error[IK0205]: scratch has no shell that `run` could be run by" in bench.run("validate").err


def test_another_engine_keeps_what_is_locked_and_says_that_nobody_can_promise_the_same_bits(amazon):
    native = lock(amazon, packages=["jq"], architectures=["x86_64"])
    amazon.run("lock", "--engine", "docker").ok()
    platform = json.loads(amazon.lock.read_bytes())["platforms"]["x86_64"]
    assert platform["packages"] == native
    assert platform["engine"] == {"name": "docker", "reproducible": False}
    outcome = amazon.run("build", "--locked")
    assert outcome.code == 1
    assert "x86_64: the engine is native, locked is docker" in outcome.err
    outcome = amazon.run("build", "--frozen", "--engine", "native")
    assert outcome.code == 1
    assert "is for another spec: x86_64: the engine is native, locked is docker" in outcome.err
    (plan,) = amazon.run("plan", "--engine", "docker", "--json").ok().document
    (part,) = plan["layers"][0]["parts"]
    assert (part["engine"], part["reproducible"], part["run"]) == ("docker", False, [])
    assert "jq: 2 packages, by docker: not reproducible" in amazon.run("plan", "--engine", "docker").ok().out


def test_commands_are_part_of_the_plan_without_their_words_in_its_titles(amazon):
    amazon.spec(engine="docker", run=["echo one", "echo two"], architectures=["x86_64"])
    (plan,) = amazon.run("plan", "--json").ok().document
    packages = plan["layers"][0]
    assert packages["parts"][0]["run"] == ["echo one", "echo two"]
    assert packages["parts"][0]["source"] == "2 commands"
    keys = {packages["key"]}
    amazon.spec(engine="docker", run=["echo one", "echo 2"], architectures=["x86_64"])
    keys.add(amazon.run("plan", "--json").ok().document[0]["layers"][0]["key"])
    assert len(keys) == 2


def test_versions_that_differ_between_the_architectures_are_a_warning(amazon):
    older = tuple(item for item in samples.packages("aarch64", key()) if item.nevra != "jq-1.7.1-49.amzn2023.aarch64")
    furnish(amazon, {"x86_64": samples.repository("x86_64", key()), "aarch64": Repository(older)})
    amazon.spec(packages=["jq"], repositories=TRUSTED)
    outcome = amazon.run("lock").ok()
    words = "jq has different versions: 1.7.1-49.amzn2023 on x86_64, 1.6-10.amzn2023 on arm64"
    assert f"warning[IK0112]: {words}" in outcome.err
    assert '"jq"\n' in outcome.err, "with the line of the spec"
    assert words not in amazon.run("lock").ok().err, "a lock that stays as it is was told of"
    assert words in amazon.run("plan").ok().err
    assert words in amazon.run("build").ok().err
    assert amazon.run("build", "--strict").code == 1


def test_the_same_site_gives_the_same_lock(amazon):
    amazon.patch.setenv("SOURCE_DATE_EPOCH", "1")
    lock(amazon, packages=["jq", "php8.4-cli", "curl"], weak_dependencies=True, upgrade="all")
    first = amazon.lock.read_bytes()
    amazon.lock.unlink()
    lock(amazon, packages=["jq", "php8.4-cli", "curl"], weak_dependencies=True, upgrade="all")
    assert amazon.lock.read_bytes() == first, "whatever the cache held"
    amazon.lock.unlink()
    shutil.rmtree(os.environ.get("IMAGEKIT_CACHE_DIR", os.path.expanduser("~/.cache/imagekit")))
    lock(amazon, packages=["jq", "php8.4-cli", "curl"], weak_dependencies=True, upgrade="all")
    assert amazon.lock.read_bytes() == first


def newer_site(bench, *more):
    """A site with newer versions of jq and zlib, an advisory for each, and more packages."""
    everything = {}
    for arch in ("x86_64", "aarch64"):
        jq = Package("jq", "1.8", "1.amzn2023", arch, requires=("libonig.so.5()(64bit)",), signed_by=key())
        onig = Package("oniguruma", "7", "1", arch, provides=("libonig.so.5()(64bit)",), signed_by=key())
        advisories = (
            *samples.advisories(arch, key()),
            Advisory("ALAS2023-2026-200", (jq,), "Important", cves=("CVE-2026-2000",)),
            Advisory("ALAS2023-2020-001", (Package("jq", "1.5", "1", arch),), "Critical"),
        )
        items = (
            *samples.packages(arch, key()),
            jq,
            onig,
            *(replace(item, arch=arch, signed_by=key()) for item in more),
        )
        everything[arch] = Repository(items, advisories)
    furnish(bench, everything)


def test_one_package_is_upgraded_and_the_others_stay(amazon):
    before = lock(amazon, packages=["jq", "nginx"])
    newer_site(amazon, Package("nginx", "2", "1", epoch=1))
    outcome = amazon.run("lock", "--upgrade", "nginx").ok()
    assert outcome.lines == ["runtime.lock"]
    after = packages(amazon)
    assert installed(after) == sorted(
        [*(set(before["install"]) - {"nginx-1:1.26.2-1.amzn2023.x86_64"}), "nginx-1:2-1.x86_64"]
    )
    amazon.run("lock", "--upgrade=jq", "runtime.yaml").ok()
    assert installed(packages(amazon)) == ["jq-1.8-1.amzn2023.x86_64", "nginx-1:2-1.x86_64", "oniguruma-7-1.x86_64"]


def test_what_one_package_brought_may_move_with_it(amazon):
    lock(amazon, packages=["php8.4-cli", "jq"], architectures=["x86_64"])
    php = Package("php8.4-cli", "8.4.9", "1", requires=("php8.4-common = 8.4.9",))
    newer_site(amazon, php, Package("php8.4-common", "8.4.9", "1"))
    amazon.run("lock", "--upgrade", "php8.4-cli").ok()
    found = [nevra.rsplit("-", 1)[0] for nevra in installed(packages(amazon))]
    assert found == ["jq-1.7.1", "oniguruma-6.9.7.1", "php8.4-cli-8.4.9", "php8.4-common-8.4.9"]


def test_a_bare_upgrade_takes_everything_also_before_a_spec(amazon):
    lock(amazon, packages=["jq"])
    newer_site(amazon)
    for arguments in (["--upgrade", "runtime.yaml"], ["--upgrade", "./"], ["--upgrade"], ["runtime.yaml", "--upgrade"]):
        amazon.run("lock", *arguments).ok()
        assert "jq-1.8-1.amzn2023.x86_64" in packages(amazon)["install"]


def test_an_upgrade_by_variable_and_beside_a_folder_of_that_name(amazon):
    lock(amazon, packages=["jq"], architectures=["x86_64"])
    (amazon.folder / "jq").mkdir()
    newer_site(amazon)
    amazon.run("lock", "--upgrade", "jq").ok()
    assert installed(packages(amazon))[0] == "jq-1.8-1.amzn2023.x86_64"
    furnish(amazon)
    amazon.patch.setenv("IMAGEKIT_UPGRADE", "1")
    amazon.run("lock").ok()
    assert installed(packages(amazon))[0] == "jq-1.7.1-49.amzn2023.x86_64"


def test_a_package_that_is_not_locked_cannot_be_upgraded(amazon):
    lock(amazon, packages=["jq"])
    outcome = amazon.run("lock", "--upgrade", "onigurma")
    assert (outcome.code, outcome.error) == (
        2,
        ["error: the package onigurma is not locked", "  hint: did you mean oniguruma?"],
    )


@pytest.mark.parametrize("blank", ["", " "])
def test_an_upgrade_of_no_package_is_refused(amazon, blank):
    lock(amazon, packages=["jq"])
    outcome = amazon.run("lock", f"--upgrade={blank}")
    assert (outcome.code, outcome.error[0]) == (2, "error: --upgrade names no package")


def test_a_dry_run_writes_nothing_and_lists_what_would_change(amazon):
    amazon.spec(packages=["jq"], repositories=TRUSTED, architectures=["x86_64"])
    outcome = amazon.run("lock", "--dry-run").ok()
    assert outcome.lines == [
        "x86_64 jq: nothing → 1.7.1-49.amzn2023.x86_64",
        "x86_64 oniguruma: nothing → 6.9.7.1-2.amzn2023.x86_64",
    ]
    assert not amazon.lock.exists()
    assert not amazon.registry.seen("rpm"), "no package is fetched"
    amazon.run("lock").ok()
    before = amazon.lock.read_bytes()
    assert amazon.run("lock", "--dry-run").ok().lines == ["no package would change"]
    newer_site(amazon)
    outcome = amazon.run("lock", "--dry-run", "--upgrade").ok()
    assert outcome.lines[0] == "x86_64 jq: 1.7.1-49.amzn2023.x86_64 → 1.8-1.amzn2023.x86_64"
    amazon.spec(packages=["curl"], repositories=TRUSTED, architectures=["x86_64"])
    assert "x86_64 curl-minimal: nothing → removed" in amazon.run("lock", "--dry-run").ok().lines
    assert amazon.lock.read_bytes() == before
    assert amazon.run("lock", "--dry-run", "--check").code == 2


def test_a_dry_run_on_another_system_lists_all_packages_without_a_counterpart(amazon):
    amazon.spec(os="al2", packages=["nosuch", "jq", "other"], repositories=TRUSTED)
    outcome = amazon.run("lock", "--dry-run", "--set", "os=al2023")
    assert outcome.code == 3
    assert outcome.err.count("no package is, or provides,") == 4


def test_why_a_package_is_there(amazon):
    lock(amazon, packages=["jq", "curl", "bash"], upgrade=["zlib"], architectures=["x86_64"])
    amazon.registry.files.clear()
    assert amazon.run("explain", "oniguruma").ok().lines == [
        "x86_64: oniguruma-6.9.7.1-2.amzn2023.x86_64: installed from amazonlinux",
        "  oniguruma provides libonig.so.5()(64bit), which jq requires",
        "  jq is asked for as `jq`",
    ]
    assert (
        amazon.run("explain", "zlib").ok().lines[1] == "  zlib is newer than the base's zlib-1.2.11-33.amzn2023.x86_64"
    )
    assert amazon.run("explain", "libcurl-minimal").ok().lines == [
        "x86_64: libcurl-minimal-8.5.0-1.amzn2023.x86_64: of the base, goes",
        "  libcurl-minimal cannot be beside libcurl, for one of them conflicts with libcurl",
        "  libcurl provides libcurl = 8.11.1-1.amzn2023, which curl requires",
        "  curl is asked for as `curl`",
    ]
    assert amazon.run("explain", "bash").ok().lines == ["x86_64: bash: the spec asks for it, and the base has it"]
    (row,) = amazon.run("explain", "jq", "--json").ok().document
    assert (row["architecture"], row["package"], row["way"]) == (
        "x86_64",
        "jq-1.7.1-49.amzn2023.x86_64",
        ["jq is asked for as `jq`"],
    )
    outcome = amazon.run("explain", "onigurum")
    assert (outcome.code, outcome.error) == (
        2,
        ["error: the lock holds no package onigurum", "  hint: did you mean oniguruma?"],
    )


def test_what_is_outdated_comes_with_its_advisories_and_what_to_do(amazon):
    lock(amazon, packages=["jq"], architectures=["x86_64"])
    newer_site(amazon)
    outcome = amazon.run("outdated").ok()
    assert outcome.lines == [
        "runtime.yaml: x86_64 jq: 1.7.1-49.amzn2023 → 1.8-1.amzn2023",
        "  ALAS2023-2026-200 security (Important, CVE-2026-2000)",
        "runtime.yaml: x86_64 oniguruma: 6.9.7.1-2.amzn2023 → 7-1",
        "runtime.yaml: x86_64 libcurl-minimal: 8.5.0-1.amzn2023 → 8.11.1-2.amzn2023",
        "  ALAS2023-2026-102 bugfix (Low)",
        "runtime.yaml: x86_64 zlib: 1.2.11-33.amzn2023 → 1.2.13-2.amzn2023",
        "  ALAS2023-2026-101 security (Critical, CVE-2026-1000, CVE-2026-1001)",
    ]
    assert "`upgrade: [libcurl-minimal, zlib]` in the spec brings the base's packages up to date" in outcome.err
    by_name = {row["name"]: row for row in amazon.run("outdated", "--json").ok().document}
    assert (by_name["jq"]["in_base"], by_name["jq"]["remedy"]) == (False, "imagekit lock --upgrade=jq")
    assert (by_name["zlib"]["in_base"], by_name["zlib"]["remedy"]) == (True, "upgrade: [zlib]")
    assert by_name["zlib"]["advisories"][0]["cves"] == ["CVE-2026-1000", "CVE-2026-1001"]
    assert not amazon.registry.seen("jq-1.8"), "no package is fetched"


@pytest.mark.parametrize(
    ("severity", "keys", "code", "words"),
    [
        ("critical", {"packages": ["jq"]}, 1, "error: advisories of severity critical or worse: zlib"),
        ("low", {"packages": ["jq"]}, 1, "error: advisories of severity low or worse: jq, zlib"),
        ("critical", {}, 1, "hint: upgrade: [zlib]"),
        ("low", {"upgrade": "security"}, 0, "libcurl-minimal"),
    ],
)
def test_advisories_can_fail_a_nightly_run(amazon, severity, keys, code, words):
    lock(amazon, architectures=["x86_64"], **keys) if keys else (
        amazon.spec(repositories=TRUSTED, architectures=["x86_64"]),
        amazon.run("lock").ok(),
    )
    newer_site(amazon)
    outcome = amazon.run("outdated", "--fail-on", severity)
    assert outcome.code == code
    assert words in outcome.err + outcome.out


def test_a_spec_without_packages_stays_as_quick_as_it_was(amazon):
    amazon.spec(repositories=TRUSTED)
    amazon.run("lock").ok()
    newer_site(amazon)
    amazon.registry.clear()
    assert amazon.run("outdated").ok().lines == []
    assert not amazon.registry.seen("blobs/.*|mirror.list")
