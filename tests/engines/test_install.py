"""Locked packages as the entries of a layer: what rpm would have left, without running anything."""

from __future__ import annotations

import ssl
from dataclasses import replace

import certifi
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagekit.engines.native.incoming import opened
from imagekit.engines.ports import Shelf
from imagekit.errors import BuildFailed, WrongChecksum, WrongSignature
from imagekit.facts import Database, DatabaseKind
from imagekit.oci.digest import Digest
from imagekit.rootfs.extracted import BUNDLE
from imagekit.rpm.signature import Certificates
from imagekit.rpm.tag import Tag
from tests.engines.installing import DATABASE, base, install, lock, post
from tests.support.packages import samples, system
from tests.support.packages.database import berkeley
from tests.support.packages.package import (
    CONFIG,
    DOC,
    GHOST,
    LICENSE,
    NOREPLACE,
    Item,
    Package,
    Trigger,
    folder,
    link,
    program,
)
from tests.support.packages.signing import key


def sample(name: str) -> Package:
    return next(package for package in samples.packages("x86_64") if package.name == name)


def base_packages() -> tuple[Package, ...]:
    return system.installed()


def test_files_keep_mode_owner_time_and_content(tmp_path):
    package = Package(
        "thing",
        files={
            "usr/bin/thing": Item(b"setuid", 0o4755, mtime=1_700_000_000),
            "usr/bin/write": Item(b"setgid", 0o2755, group="tty"),
            "usr/lib64/libthing.so": link("libthing.so.1"),
            "usr/share/thing": folder(0o750),
            "usr/share/thing/secret": Item(b"x", 0o600, user="bin"),
        },
    )
    made = install(tmp_path, package)
    thing, write = made.members["usr/bin/thing"], made.members["usr/bin/write"]
    assert (thing.mode, thing.uid, thing.gid, thing.mtime) == (0o4755, 0, 0, 1_700_000_000)
    assert (write.mode, write.gid) == (0o2755, 5)
    assert made.members["usr/lib64/libthing.so"].linkname == "libthing.so.1"
    assert made.members["usr/share/thing"].mode == 0o750
    assert made.members["usr/share/thing/secret"].uid == 1
    assert made.contents["usr/share/thing/secret"] == b"x"
    assert made.said == ["thing-1.0-1.x86_64: Lambda's user cannot use '/usr/share/thing'"]


def test_directories_stand_before_what_is_in_them_with_their_own_modes(tmp_path):
    made = install(
        tmp_path,
        Package("a", files={"opt/deep/down/file": Item(b"a")}),
        Package("b", files={"opt/deep": folder(0o700), "opt/deep/down": folder(0o711)}),
    )
    names = list(made.members)
    assert names.index("opt/deep") < names.index("opt/deep/down") < names.index("opt/deep/down/file")
    assert (made.members["opt/deep"].mode, made.members["opt/deep/down"].mode) == (0o700, 0o711)


def test_capabilities_and_hard_links_and_symlinked_folders_of_the_base(tmp_path):
    made = install(tmp_path, sample("ping"))
    ping = made.members["usr/bin/ping"]
    assert "bin/ping" not in made.members
    assert ping.pax_headers["SCHILY.xattr.security.capability"].encode("utf-8", "surrogateescape")[:4] == (
        b"\x01\0\0\x02"
    )
    assert made.contents["usr/share/one/name"] == made.contents["usr/share/other/name"] == b"the same bytes"
    assert all(not item.islnk() for item in made.members.values())


def test_a_packages_own_symlink_is_followed_too(tmp_path):
    made = install(
        tmp_path,
        Package("a", files={"usr/lib64/thing": link("../share/thing"), "usr/share/thing": folder()}),
        Package("b", files={"usr/lib64/thing/file": Item(b"b"), "lib64/thing/other": Item(b"c")}),
    )
    assert made.contents["usr/share/thing/file"] == b"b"
    assert made.contents["usr/share/thing/other"] == b"c"


def test_ghosts_are_not_there(tmp_path):
    package = Package("g", files={"var/log/g.log": Item(b"", flags=GHOST), "usr/bin/g": program(b"g")})
    assert install(tmp_path, package).paths == ["usr/bin/g"]


def test_users_of_packages_are_made_and_own_their_files(tmp_path):
    made = install(tmp_path, sample("nginx"))
    assert (made.members["var/lib/nginx"].uid, made.members["var/lib/nginx"].gid) == (991, 0)
    assert made.contents["etc/passwd"].decode().splitlines()[-1] == (
        "nginx:x:991:991:nginx server:/var/lib/nginx:/sbin/nologin"
    )
    assert made.contents["etc/group"].endswith(b"nginx:x:991:\n")
    assert made.members["etc/shadow"].mode == 0
    assert made.contents["etc/shadow"].endswith(b"nginx:!*:::::::\n")


def test_users_that_a_scriptlet_makes_own_files_too(tmp_path):
    script = "getent group crew >/dev/null || groupadd -r -g 77 crew\nuseradd -r -u 78 -g crew sailor\n"
    package = Package(
        "ship", scripts={"pre": ("/bin/sh", script)}, files={"opt/ship": Item(b"s", user="sailor", group="crew")}
    )
    made = install(tmp_path, package)
    assert (made.members["opt/ship"].uid, made.members["opt/ship"].gid) == (78, 77)


def test_a_home_is_made_where_the_package_does_not_bring_it(tmp_path):
    script = "useradd -r -m -d /home/sailor -u 78 sailor"
    package = Package("ship", scripts={"pre": ("/bin/sh", script)})
    home = install(tmp_path, package).members["home/sailor"]
    assert (home.mode, home.uid, home.gid) == (0o700, 78, 78)
    package = Package("ship", scripts={"pre": ("/bin/sh", script)}, files={"home/sailor": folder(0o750)})
    home = install(tmp_path, package).members["home/sailor"]
    assert (home.mode, home.uid, home.gid) == (0o750, 0, 0)


def test_an_owner_that_nobody_has_is_root_and_said(tmp_path):
    made = install(tmp_path, Package("x", files={"opt/a": Item(user="who"), "opt/b": Item(user="who", group="what")}))
    assert (made.members["opt/a"].uid, made.members["opt/b"].gid) == (0, 0)
    assert [("user 'who'" in text, "group 'what'" in text) for text in made.said] == [(True, False), (False, True)]


def test_a_file_of_an_owner_that_nobody_has_does_not_run_as_root(tmp_path):
    # As rpm 4.18 does it: the user's bit goes with the user, the group's with the group.
    files = {
        "opt/user": Item(b"x", 0o6755, user="who"),
        "opt/group": Item(b"x", 0o6755, group="what"),
        "opt/both": Item(b"x", 0o6755, user="who", group="what"),
        "opt/known": Item(b"x", 0o6755, user="bin", group="tty"),
        "opt/folder": Item(data=None, mode=0o7755, user="who"),
    }
    made = install(tmp_path, Package("x", files=files))
    assert {path: made.members[path].mode for path in files} == {
        "opt/user": 0o2755,
        "opt/group": 0o4755,
        "opt/both": 0o755,
        "opt/known": 0o6755,
        "opt/folder": 0o3755,
    }


def test_what_two_packages_share_is_there_once(tmp_path):
    shared = {"usr/share/both": Item(b"same"), "usr/share/folder": folder()}
    made = install(tmp_path, Package("a", files=shared), Package("b", files=shared))
    assert made.paths == ["usr/share/both"]


@pytest.mark.parametrize(
    "other",
    [Item(b"other"), Item(b"one", 0o755), Item(b"one", user="bin"), link("one"), folder()],
    ids=["content", "mode", "owner", "symlink", "directory"],
)
def test_two_packages_with_one_path_and_not_the_same_are_refused(tmp_path, other):
    with pytest.raises(BuildFailed, match=r"a-1\.0-1\.x86_64 and b-1\.0-1\.x86_64 both have '/usr/share/both'"):
        install(
            tmp_path,
            Package("a", files={"usr/share/both": Item(b"one")}),
            Package("b", files={"usr/share/both": other}),
        )


def test_a_file_of_a_package_of_the_base_is_not_taken_over(tmp_path):
    with pytest.raises(BuildFailed, match=r"zsh.* and bash-5\.2\.15.* both have '/usr/bin/bash'"):
        install(tmp_path, Package("zsh", files={"bin/bash": program(b"zsh")}))
    # The same file, and one that no package has, may be there twice.
    shell = next(package for package in base_packages() if package.name == "bash").files["usr/bin/bash"]
    made = install(
        tmp_path,
        Package("zsh", files={"usr/bin/bash": shell, "opt/free": Item(b"new")}),
        facts=base(tmp_path, files={"opt/free": b"old"}),
    )
    assert made.contents["opt/free"] == b"new"


def test_a_removed_package_leaves_nothing_but_what_others_have(tmp_path):
    shared = {"usr/share/shared": folder(), "usr/share/shared/both": Item(b"x")}
    old = Package(
        "old",
        files={
            "usr/bin/old": program(b"old"),
            "usr/share/old": folder(),
            "usr/share/old/data": Item(b"x"),
            "usr/lib64/libold.so": link("libold.so.1"),
            **shared,
        },
    )
    facts = base(tmp_path, old, Package("stays", files=shared), files={"usr/share/mine/file": b"mine"})
    made = install(tmp_path, facts=facts, removed=[str(old.nevra)])
    assert made.paths == ["usr/bin/.wh.old", "usr/lib64/.wh.libold.so", "usr/share/.wh.old"]


def test_a_folder_that_holds_something_else_stays(tmp_path):
    old = Package("old", files={"usr/share/old": folder(), "usr/share/old/data": Item(b"x")})
    facts = base(tmp_path, old, files={"usr/share/old/mine": b"mine"})
    made = install(tmp_path, facts=facts, removed=[str(old.nevra)])
    assert made.paths == ["usr/share/old/.wh.data"]
    made = install(
        tmp_path,
        Package("new", files={"usr/share/old/new": Item(b"n")}),
        facts=base(tmp_path, old),
        removed=[str(old.nevra)],
    )
    assert made.paths == ["usr/share/old/.wh.data", "usr/share/old/new"]


def test_an_upgrade_takes_the_place_of_the_old_version(tmp_path):
    made = install(tmp_path, sample("zlib"))
    assert "usr/lib64/.wh.libz.so.1.2.11" in made.paths
    assert made.members["usr/lib64/libz.so.1"].linkname == "libz.so.1.1.2.13"
    assert "usr/lib64/.wh.libz.so.1" not in made.paths


def test_what_is_a_ghost_of_the_newer_version_stays(tmp_path):
    old = Package("thing", "1", files={"etc/state": Item(b"", flags=GHOST), "etc/gone": Item(b"")})
    facts = base(tmp_path, old, files={"etc/state": b"made there"})
    made = install(tmp_path, Package("thing", "2", files={"etc/state": Item(b"", flags=GHOST)}), facts=facts)
    assert [path for path in made.paths if "/.wh." in path and "/etc" in f"/{path}"] == ["etc/.wh.gone"]


def test_packages_that_take_the_place_of_others(tmp_path):
    gone = [str(package.nevra) for package in base_packages() if package.name in {"curl-minimal", "libcurl-minimal"}]
    made = install(tmp_path, sample("curl"), sample("libcurl"), removed=gone)
    assert made.contents["usr/bin/curl"] == b"curl, the large one"
    assert made.paths == [
        "usr/bin/curl",
        "usr/lib64/libcurl.so.4",
        "usr/share/doc/.wh.curl-minimal",
    ]


def configured(version: str, data: bytes, flags: int = CONFIG) -> Package:
    return Package("thing", version, files={"etc/thing.conf": Item(data, flags=flags, mtime=int(float(version)))})


@pytest.mark.parametrize(
    ("flags", "new", "held", "found"),
    [
        (CONFIG, b"new", b"old", {"": b"new"}),
        (CONFIG, b"new", b"new", {"": b"new"}),
        (CONFIG, b"new", b"mine", {"": b"new", ".rpmsave": b"mine"}),
        (CONFIG, b"old", b"mine", {}),
        (CONFIG | NOREPLACE, b"new", b"old", {"": b"new"}),
        (CONFIG | NOREPLACE, b"new", b"mine", {".rpmnew": b"new"}),
        (CONFIG | NOREPLACE, b"old", b"mine", {}),
        (0, b"new", b"mine", {"": b"new"}),
    ],
)
def test_a_changed_configuration_survives_an_upgrade_as_rpm_says(tmp_path, flags, new, held, found):
    facts = base(tmp_path, configured("1.0", b"old", flags))
    made = install(tmp_path, configured("2.0", new, flags), facts=facts, held={"etc/thing.conf": held})
    ends = {path.removeprefix("etc/thing.conf"): made.contents[path] for path in made.paths}
    assert ends == found
    if ".rpmnew" in found:
        assert (made.members["etc/thing.conf.rpmnew"].mode, made.members["etc/thing.conf.rpmnew"].mtime) == (0o644, 2)
    if ".rpmsave" in found:
        assert (made.members["etc/thing.conf.rpmsave"].mode, made.members["etc/thing.conf.rpmsave"].gid) == (0o640, 5)


def test_a_configuration_that_was_nobodys_is_kept_beside_the_new_one(tmp_path):
    facts = base(tmp_path, files={"etc/thing.conf": b"mine"})
    held = {"etc/thing.conf": b"mine"}
    made = install(tmp_path, configured("1.0", b"new"), facts=facts, held=held)
    assert made.paths == ["etc/thing.conf", "etc/thing.conf.rpmorig"]
    made = install(tmp_path, configured("1.0", b"new", CONFIG | NOREPLACE), facts=facts, held=held)
    assert made.paths == ["etc/thing.conf.rpmnew"]


def test_a_changed_configuration_survives_a_removal(tmp_path):
    old = configured("1.0", b"old")
    facts = base(tmp_path, old)
    made = install(tmp_path, facts=facts, removed=[str(old.nevra)], held={"etc/thing.conf": b"mine"})
    assert made.paths == ["etc/.wh.thing.conf", "etc/thing.conf.rpmsave"]
    made = install(tmp_path, facts=facts, removed=[str(old.nevra)], held={"etc/thing.conf": b"old"})
    assert made.paths == ["etc/.wh.thing.conf"]


def test_a_package_that_the_base_lacks_cannot_be_removed(tmp_path):
    with pytest.raises(BuildFailed, match=r"removes gone-1-1\.noarch, which the base does not have"):
        install(tmp_path, removed=["gone-1-1.noarch"])


def test_the_database_knows_what_came_and_what_went(tmp_path):
    before = {str(package.nevra) for package in base_packages()}
    gone = [name for name in before if name.startswith(("curl-minimal", "libcurl-minimal"))]
    made = install(tmp_path, sample("curl"), sample("libcurl"), sample("zlib"), removed=gone)
    found = made.packages(tmp_path)
    assert found.keys() == {
        *(name for name in before if name not in gone and not name.startswith("zlib")),
        *(str(sample(name).nevra) for name in ("curl", "libcurl", "zlib")),
    }
    new = found[str(sample("curl").nevra)]
    assert new.integer(Tag.INSTALLTIME) == new.integer(Tag.BUILDTIME) > 0
    database = made.members[DATABASE]
    assert (database.mode, database.uid) == (0o644, 0)
    # Bytes 18 and 19 of SQLite's header: 1 is a rollback journal, 2 would be WAL.
    assert made.contents[DATABASE][18:20] == b"\x01\x01"


def test_what_was_left_beside_the_bases_database_is_gone(tmp_path):
    facts = base(tmp_path)
    beside = {f"{DATABASE}-wal", f"{DATABASE}-shm"}
    facts = replace(facts, layout=replace(facts.layout, files=facts.layout.files | beside))
    made = install(tmp_path, sample("jq"), facts=facts)
    assert {"var/lib/rpm/.wh.rpmdb.sqlite-wal", "var/lib/rpm/.wh.rpmdb.sqlite-shm"} <= made.members.keys()


def test_files_that_were_left_out_are_known_to_be(tmp_path):
    package = Package("thing", files={"usr/bin/thing": program(b"x"), "usr/share/man/man1/thing.1": Item(b"x")})
    made = install(tmp_path, package, slim=True)
    header = made.packages(tmp_path)[str(package.nevra)]
    assert header.integers(Tag.FILESTATES) == (0, 2)


def test_a_database_that_is_only_read_is_said_to_know_nothing(tmp_path):
    facts = base(tmp_path)
    data = berkeley(base_packages())
    (tmp_path / "Packages").write_bytes(data)
    place = Database(
        kind=DatabaseKind.BERKELEY,
        path="var/lib/rpm/Packages",
        digest=Digest.of(data),
        file=str(tmp_path / "Packages"),
    )
    made = install(tmp_path, sample("jq"), facts=replace(facts, database=place))
    assert "usr/bin/jq" in made.paths
    assert not [path for path in made.members if path.startswith("var")]
    assert ["does not know them" in text for text in made.said] == [True]
    made = install(tmp_path, sample("jq"), facts=replace(facts, database=None))
    assert ["no RPM database" in text for text in made.said] == [True]


def test_slim_leaves_out_documentation_and_other_languages(tmp_path):
    package = Package(
        "thing",
        files={
            "usr/bin/thing": program(b"x"),
            "usr/share/doc/thing/README": Item(b"x", flags=DOC),
            "usr/share/man/man1/thing.1.gz": Item(b"x"),
            "usr/share/man/de/man1/thing.1.gz": Item(b"x", language="de"),
            "usr/share/info/thing.info.gz": Item(b"x"),
            "usr/share/locale/de/LC_MESSAGES/thing.mo": Item(b"x", language="de"),
            "usr/share/locale/en_GB/LC_MESSAGES/thing.mo": Item(b"x", language="en_GB"),
            "usr/share/licenses/thing/COPYING": Item(b"x", flags=LICENSE),
            "usr/share/doc/thing/LICENSE": Item(b"x", flags=LICENSE),
        },
    )
    assert len(install(tmp_path, package).paths) == 9
    assert install(tmp_path, package, slim=True).paths == [
        "usr/bin/thing",
        "usr/share/doc/thing/LICENSE",
        "usr/share/licenses/thing/COPYING",
        "usr/share/locale/en_GB/LC_MESSAGES/thing.mo",
    ]


def test_an_unknown_scriptlet_fails_with_its_text_and_the_way_out(tmp_path):
    with pytest.raises(BuildFailed) as error:
        install(tmp_path, sample("strange"))
    assert "the %post scriptlet of strange-1.0-1.amzn2023.x86_64" in error.value.message
    assert "`/usr/bin/strange --register` is not known" in error.value.message
    assert "\n    /usr/bin/strange --register" in error.value.message
    assert "scriptlets: {strange: {skip: REASON}}" in error.value.hint


def test_a_scriptlet_that_is_to_be_skipped_is(tmp_path):
    made = install(tmp_path, sample("strange"), skipped={"strange": "it registers itself with nobody"})
    assert made.installation.findings == {"strange-1.0-1.amzn2023.x86_64": ("skipped",)}


@pytest.mark.parametrize("kind", ["pre", "pretrans"])
@pytest.mark.parametrize(
    "script",
    ["exit 1", "if ! test -f /etc/licence-accepted; then exit 1; fi", "[ $1 -eq 2 ] && true", "set -e\nfalse\ntrue"],
)
def test_a_package_that_refuses_to_be_installed_is_not(tmp_path, kind, script):
    with pytest.raises(BuildFailed) as error:
        install(tmp_path, Package("x", scripts={kind: ("/bin/sh", script)}, files={"opt/x": Item()}))
    assert f"the %{kind} scriptlet of x-1.0-1.x86_64 keeps rpm from changing the package" in error.value.message
    assert script.splitlines()[0] in error.value.message
    assert "scriptlets: {x: {skip: REASON}}" in error.value.hint


def test_a_package_that_refuses_to_go_does_not(tmp_path):
    old = Package("thing", "1.0", scripts={"preun": ("/bin/sh", "exit 1")}, files={"opt/thing": Item(b"old")})
    with pytest.raises(BuildFailed, match=r"%preun scriptlet of thing-1\.0"):
        install(tmp_path, facts=base(tmp_path, old), removed=[str(old.nevra)])


@pytest.mark.parametrize("flag", [1 << 16, 1 << 25])
def test_what_fails_of_a_trigger_stops_nothing(tmp_path, flag):
    """As rpm does it: it warns of %triggerin and of %triggerprein, and goes on."""
    watcher = Package("watcher", triggers=(Trigger("package", "exit 1", ("thing",), flags=flag),))
    made = install(tmp_path, Package("thing", files={"etc/thing": Item(b"x")}), facts=base(tmp_path, watcher))
    assert "etc/thing" in made.paths


def test_what_fails_after_the_installation_stops_nothing(tmp_path):
    assert install(tmp_path, post("exit 1", **{"opt/x": Item()})).paths == ["opt/x"]
    refusing = Package("x", scripts={"pre": ("/bin/sh", "exit 1")}, files={"opt/x": Item()})
    assert install(tmp_path, refusing, skipped={"x": "the licence was accepted"}).paths == ["opt/x"]


def test_scriptlets_make_files_links_and_modes(tmp_path):
    script = """
mkdir -m 0700 /var/lib/scripted
touch /var/lib/scripted/state
chmod 0640 /opt/own
chown bin:tty /opt/own /var/lib/scripted
ln -s /opt/own /usr/bin/own
"""
    made = install(tmp_path, post(script, **{"opt/own": Item(b"own")}))
    assert (made.members["var/lib/scripted"].mode, made.members["var/lib/scripted"].uid) == (0o700, 1)
    assert made.contents["var/lib/scripted/state"] == b""
    assert made.members["usr/bin/own"].linkname == "/opt/own"
    own = made.members["opt/own"]
    assert (own.mode, own.uid, own.gid, made.contents["opt/own"]) == (0o640, 1, 5, b"own")


def test_what_lambdas_user_cannot_use_is_said_as_scriptlets_leave_it(tmp_path):
    files = {f"usr/share/{name}": Item(b"x", 0o600) for name in ("a", "b", "c", "d", "e")}
    made = install(
        tmp_path, post("chmod 644 /usr/share/e\nchmod 700 /usr/bin/x\n", **files, **{"usr/bin/x": program(b"x")})
    )
    assert made.said == [
        "scripted-1.0-1.x86_64: Lambda's user cannot use '/usr/bin/x', '/usr/share/a', '/usr/share/b' and 2 more"
    ]


def test_a_scriptlet_may_not_change_what_is_not_in_its_layer(tmp_path):
    with pytest.raises(BuildFailed, match="changes the mode or owner of '/usr/bin/bash'"):
        install(tmp_path, post("chmod 4755 /usr/bin/bash"))
    with pytest.raises(BuildFailed, match="makes a symlink of '/usr/bin/bash'"):
        install(tmp_path, post("ln -sf /bin/true /usr/bin/bash"))


def test_an_owner_that_no_number_can_be_is_refused(tmp_path):
    with pytest.raises(BuildFailed, match="is to belong to"):
        install(tmp_path, post(f"chown {'9' * 5000} /opt/x", **{"opt/x": Item()}))


def test_before_its_files_are_there_a_scriptlet_does_not_see_them(tmp_path):
    script = "if [ -e /opt/mine ]; then /usr/bin/strange; fi"
    package = Package("x", scripts={"pre": ("/bin/sh", script)}, files={"opt/mine": Item()})
    assert install(tmp_path, package).paths == ["opt/mine"]
    with pytest.raises(BuildFailed, match="strange"):
        install(tmp_path, Package("x", scripts={"post": ("/bin/sh", script)}, files={"opt/mine": Item()}))


def test_how_often_a_package_is_there_is_told(tmp_path):
    script = "[ $1 -eq 2 ] || /usr/bin/strange"
    install(tmp_path, Package("zlib", "2.0", scripts={"post": ("/bin/sh", script)}, files={}))
    with pytest.raises(BuildFailed, match="strange"):
        install(tmp_path, Package("other", "2.0", scripts={"post": ("/bin/sh", script)}))


def test_scriptlets_of_what_goes_are_judged_as_at_an_upgrade_or_a_removal(tmp_path):
    script = "if [ $1 -eq 0 ]; then /usr/bin/strange; fi"
    old = Package("thing", "1.0", scripts={"preun": ("/bin/sh", script)}, files={"opt/thing": Item(b"old")})
    facts = base(tmp_path, old)
    assert "opt/thing" in install(tmp_path, Package("thing", "2.0", files={"opt/thing": Item()}), facts=facts).paths
    with pytest.raises(BuildFailed, match=r"%preun scriptlet of thing-1\.0"):
        install(tmp_path, facts=facts, removed=[str(old.nevra)])


@pytest.mark.parametrize(
    ("trigger", "set_off"),
    [
        (Trigger("transaction", "/usr/bin/strange", ("/usr/lib64",)), True),
        (Trigger("file", "/usr/bin/strange", ("/usr/share/fonts", "/usr/lib64/lib")), True),
        (Trigger("transaction", "/usr/bin/strange", ("/usr/share/fonts",)), False),
        (Trigger("package", "/usr/bin/strange", ("oniguruma",)), True),
        (Trigger("package", "/usr/bin/strange", ("oniguruma >= 6",)), True),
        (Trigger("package", "/usr/bin/strange", ("oniguruma > 7",)), False),
        (Trigger("package", "/usr/bin/strange", ("bash",)), False),
    ],
)
def test_triggers_of_the_base_are_set_off_by_what_comes(tmp_path, trigger, set_off):
    facts = base(tmp_path, Package("watcher", triggers=(trigger,)))
    if not set_off:
        install(tmp_path, sample("oniguruma"), facts=facts)
        return
    with pytest.raises(BuildFailed, match=r"scriptlet of watcher.*not one that can be done"):
        install(tmp_path, sample("oniguruma"), facts=facts)


def test_a_new_packages_triggers_are_set_off_by_what_is_there(tmp_path):
    for trigger in (Trigger("file", "strange", ("/usr/bin/ba",)), Trigger("package", "strange", ("bash",))):
        with pytest.raises(BuildFailed, match="strange"):
            install(tmp_path, Package("watcher", triggers=(trigger,)))


def test_alternatives_are_links_and_a_state(tmp_path):
    def node(version: int) -> Package:
        script = (
            f"alternatives --install /usr/bin/node node /usr/bin/node-{version} {version} "
            f"--slave /usr/bin/npm npm /usr/bin/npm-{version}"
        )
        return Package(
            f"nodejs{version}",
            scripts={"post": ("/bin/sh", script)},
            files={f"usr/bin/node-{version}": program(b"n"), f"usr/bin/npm-{version}": program(b"n")},
        )

    made = install(tmp_path, node(20), node(22))
    assert {path: made.members[path].linkname for path in made.paths if made.members[path].issym()} == {
        "etc/alternatives/node": "/usr/bin/node-22",
        "etc/alternatives/npm": "/usr/bin/npm-22",
        "usr/bin/node": "/etc/alternatives/node",
        "usr/bin/npm": "/etc/alternatives/npm",
    }
    assert made.contents["var/lib/alternatives/node"].decode().splitlines() == [
        *("auto", "/usr/bin/node", "npm", "/usr/bin/npm", ""),
        *("/usr/bin/node-20", "20", "/usr/bin/npm-20", "/usr/bin/node-22", "22", "/usr/bin/npm-22"),
    ]


def test_a_cache_that_would_lie_is_taken_away(tmp_path):
    """Programs look for themselves where it is not; without the new modules in it they would not find them."""
    gconv, gio = "usr/lib64/gconv/gconv-modules.cache", "usr/lib64/gio/modules/giomodule.cache"
    extra = Package(
        "glibc-gconv-extra",
        files={"usr/lib64/gconv/KOI8-R.so": program(b"x")},
        scripts={"post": ("/bin/sh", "/usr/sbin/iconvconfig -o /usr/lib64/gconv/gconv-modules.cache --nostdlib\n")},
    )
    trigger = Trigger(
        "transaction", "gio-querymodules-64 /usr/lib64/gio/modules &> /dev/null || :", ("/usr/lib64/gio",)
    )
    network = Package("glib-networking", files={"usr/lib64/gio/modules/libgiotls.so": program(b"x")})
    facts = base(tmp_path, Package("glib2", triggers=(trigger,)), files={gconv: b"old", gio: b"old"})
    made = install(tmp_path, extra, network, facts=facts)
    assert {path for path in made.members if "cache" in path} == {
        "usr/lib64/gconv/.wh.gconv-modules.cache",
        "usr/lib64/gio/modules/.wh.giomodule.cache",
    }
    assert made.said == []
    brought = replace(extra, files={**extra.files, gconv: Item(b"of the package's own")})
    made = install(tmp_path, brought)
    assert not [path for path in made.members if "cache" in path]
    assert made.packages(tmp_path)[str(brought.nevra)].integers(Tag.FILESTATES) == (0, 2)


def test_what_only_a_program_of_the_image_can_make_is_said(tmp_path):
    trigger = Trigger("transaction", "glib-compile-schemas /usr/share/glib-2.0/schemas || :", ("/usr/share/glib-2.0",))
    app = Package("app", files={"usr/share/glib-2.0/schemas/app.gschema.xml": Item(b"<schemalist/>")})
    made = install(tmp_path, app, facts=base(tmp_path, Package("glib2", triggers=(trigger,))))
    (said,) = made.said
    assert "glib2-1.0-1.x86_64: glib-compile-schemas would be run, and nothing of the image is: programs that" in said
    assert "with `files`" in said


def certificate(number: int) -> bytes:
    return sorted(ssl.create_default_context(cafile=certifi.where()).get_ca_certs(binary_form=True))[number]


def pem(*numbers: int) -> bytes:
    return "".join(ssl.DER_cert_to_PEM_cert(certificate(number)) for number in numbers).encode()


def ca_certificates(version: str, *numbers: int) -> Package:
    """As Fedora packs it: what is extracted are ghosts, which its scriptlets make."""
    objects = [b'[p11-kit-object-v1]\nlabel: "one"\ntrusted: true\n' + pem(number) for number in numbers]
    script = "/usr/bin/ca-legacy install\n/usr/bin/update-ca-trust\n"
    return Package(
        "ca-certificates",
        version,
        files={
            "usr/bin/update-ca-trust": program(b"#!/bin/sh"),
            "usr/share/pki/ca-trust-source/ca-bundle.trust.p11-kit": Item(b"".join(objects)),
            "usr/share/pki/ca-trust-legacy/ca-bundle.legacy.default.crt": Item(b"# none\n"),
            "etc/pki/ca-trust/source/anchors": folder(),
            "etc/pki/ca-trust/extracted/pem": folder(),
            BUNDLE: Item(b"", 0o444, flags=GHOST),
        },
        scripts={"post": ("/bin/sh", script)},
    )


CORP_CA = Package("corp-ca", files={"etc/pki/ca-trust/source/anchors/corp.pem": Item(pem(7))})


def test_a_new_package_of_certificates_is_extracted(tmp_path):
    made = install(tmp_path, ca_certificates("1", 1, 2), CORP_CA)
    assert made.contents[BUNDLE] == b"# one\n" + pem(1) + b"# one\n" + pem(2) + b"# corp.pem\n" + pem(7)
    assert made.members[BUNDLE].mode == 0o444
    java = made.contents["etc/pki/ca-trust/extracted/java/cacerts"]
    assert all(certificate(number) in java for number in (1, 2, 7))
    link_ = made.members["etc/pki/ca-trust/source/ca-bundle.legacy.crt"]
    assert link_.linkname == "/usr/share/pki/ca-trust-legacy/ca-bundle.legacy.default.crt"
    assert made.said == []


def test_a_newer_package_of_certificates_brings_and_takes(tmp_path):
    bundle = {BUNDLE: b"# the image's own\n" + pem(9) + b"# one\n" + pem(1) + b"# one\n" + pem(2)}
    facts = base(tmp_path, ca_certificates("1", 1, 2), CORP_CA, files=bundle)
    made = install(tmp_path, ca_certificates("2", 2, 3), facts=facts)
    assert made.contents[BUNDLE] == b"# the image's own\n" + pem(9) + b"# one\n" + pem(2) + b"# one\n" + pem(3)
    made = install(tmp_path, facts=base(tmp_path, CORP_CA, files={BUNDLE: pem(1, 7)}), removed=[str(CORP_CA.nevra)])
    assert made.contents[BUNDLE] == pem(1)


def test_an_anchor_of_a_package_is_trusted_whether_it_says_so_or_not(tmp_path):
    made = install(tmp_path, CORP_CA, facts=base(tmp_path, files={BUNDLE: pem(1)}))
    assert made.contents[BUNDLE] == pem(1) + b"# corp.pem\n" + pem(7)
    bad = Package("bad-ca", files={"etc/pki/ca-trust/source/anchors/bad.pem": Item(pem(7).replace(b"MII", b"!!!"))})
    made = install(tmp_path, bad, facts=base(tmp_path, files={BUNDLE: pem(1)}))
    assert BUNDLE not in made.contents
    assert "/etc/pki/ca-trust/source/anchors/bad.pem is not trusted: bad.pem is damaged" in made.said[0]


def test_where_nothing_extracts_it_is_said(tmp_path):
    made = install(tmp_path, CORP_CA)
    assert BUNDLE not in made.contents
    assert made.said == [f"nothing is extracted into /{BUNDLE}: the image has neither that nor update-ca-trust"]


def test_signatures_are_judged_by_the_keys_of_the_lock(tmp_path):
    mine, other = (Certificates.from_bytes(key(name).armored) for name in ("packager", "somebody"))
    package = Package("x", files={"opt/x": Item()}, signed_by=key("packager"))
    assert install(tmp_path, package, keys=mine).paths == ["opt/x"]
    for wrong, keys in ((package, other), (Package("x"), mine)):
        with pytest.raises(WrongSignature):
            install(tmp_path, wrong, keys=keys)


def test_a_file_whose_digest_in_the_header_is_another_is_refused(tmp_path):
    package = Package("x", files={"opt/x": Item(b"x", digest="0" * 64)})
    with pytest.raises(WrongChecksum, match="content of /opt/x"):
        install(tmp_path, package)


@pytest.mark.parametrize("path", ["../etc/passwd", "a/../../b", "usr/.wh.bin", "usr/share/" + "x" * 256])
def test_paths_that_no_layer_may_hold_are_refused(tmp_path, path):
    with pytest.raises(BuildFailed):
        install(tmp_path, Package("x", files={path: Item(b"x")}))


def test_the_same_packages_in_another_order_are_the_same_layer(tmp_path):
    packages = [sample(name) for name in ("jq", "oniguruma", "nginx", "libicu")]
    one, two = install(tmp_path, *packages), install(tmp_path, *reversed(packages))
    assert list(one.members) == list(two.members)
    assert one.contents == two.contents


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(at=st.integers(0, 1 << 14), bits=st.integers(1, 255))
def test_a_damaged_package_is_refused_or_means_the_same(tmp_path, at, bits):
    package = sample("jq")
    (locked,) = lock(tmp_path, [package])
    place = tmp_path / package.file_name
    data = bytearray(place.read_bytes())
    data[at % len(data)] ^= bits
    place.write_bytes(data)
    try:
        (one,) = opened([locked], Shelf(place=lambda _: str(place), keys=lambda _: None), 1)
        found = {file.path: content for file, content in one.contents() if content is not None}
    except BuildFailed:
        return
    assert found == {path: item.content for path, item in package.sorted_files if item.data is not None}
