"""What a container left becomes entries of a layer: by an export as engines give it, and whatever else comes."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.containers.transfer import reading
from imagekit.engines.docker.taken import Rules, Taken, taken
from imagekit.errors import BuildFailed
from imagekit.rootfs.base_layout import BaseLayout, Directory
from imagekit.rootfs.entry import MTIME, Kind
from imagekit.rootfs.tar_reader import Limits

BEGAN = 1_700_000_000
OLD = 1_600_000_000
LAYOUT = BaseLayout(
    directories={path: Directory(mode=0o755, mtime=OLD) for path in ("etc", "opt", "usr", "usr/bin", "var/log")},
    symlinks={"bin": "usr/bin"},
    files=frozenset({"usr/bin/tool", "etc/settings", "etc/hosts", "proc/known"}),
)
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")


def member(name: str, kind: bytes = tarfile.REGTYPE, **more: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.mode, made.mtime = kind, 0o755 if kind == tarfile.DIRTYPE else 0o644, OLD
    for key, value in more.items():
        setattr(made, key, value)
    return made


def export(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for item, data in members:
            item.size = len(data)
            tar.addfile(item, io.BytesIO(data))
    return stream.getvalue()


def take(
    members: Iterable[tuple[tarfile.TarInfo, bytes]],
    changed: Iterable[str] | None = None,
    singles: Mapping[str, bytes] | None = None,
    **rules: object,
) -> Taken:
    held = list(members)
    names = [item.name for item, _ in held] if changed is None else changed

    def single(path: str):  # type: ignore[no-untyped-def]
        data = (singles or {})[path]
        with reading([export([(member(path.rpartition("/")[2]), data)])], "one", Limits()) as reader:
            for one in reader:
                yield one, reader.content()

    known = Rules(**{"layout": LAYOUT, "own": frozenset({".imagekit"}), "since": BEGAN, **rules})  # type: ignore[arg-type]
    with reading([export(held)], "the container", Limits()) as reader:
        return taken(names, reader, known, single)


def contents(found: Taken) -> dict[str, bytes]:
    return {entry.path: found.read(entry.path) or b"" for entry, _ in found.items() if entry.kind is Kind.FILE}


def test_only_what_the_engine_says_is_different_is_taken():
    found = take([(member("usr/bin/tool"), b"new"), (member("etc/settings"), b"old")], ["usr/bin/tool"])
    assert contents(found) == {"usr/bin/tool": b"new"}


def test_files_of_packages_are_taken_although_an_engine_does_not_see_that_they_differ():
    found = take([(member("usr/bin/tool"), b"new")], [], owned=frozenset({"usr/bin/tool"}))
    assert contents(found) == {"usr/bin/tool": b"new"}


def test_times_of_packages_stay_and_those_of_the_clock_are_one_constant():
    found = take([(member("opt/old"), b"x"), (member("opt/new", mtime=BEGAN + 5), b"x")])
    assert {path: entry.mtime for path, entry in found.entries.items()} == {"opt/old": OLD, "opt/new": MTIME}


def test_modes_owners_and_capabilities_stay():
    item = member("opt/tool", mode=0o4755, uid=12, gid=34)
    item.pax_headers = {"SCHILY.xattr.security.capability": CAPABILITY.decode("utf-8", "surrogateescape")}
    entry = take([(item, b"x")]).entries["opt/tool"]
    assert (entry.mode, entry.uid, entry.gid) == (0o4755, 12, 34)
    assert entry.xattrs == {"security.capability": CAPABILITY}


def test_hard_links_become_files_of_their_own():
    link = member("opt/two", tarfile.LNKTYPE, linkname="opt/one")
    assert contents(take([(member("opt/one"), b"same"), (link, b"")])) == {"opt/one": b"same", "opt/two": b"same"}


def test_a_hard_link_to_what_does_not_differ_is_asked_for_by_itself():
    link = member("opt/two", tarfile.LNKTYPE, linkname="usr/bin/tool")
    found = take([(member("usr/bin/tool"), b"same"), (link, b"")], ["opt/two"], {"opt/two": b"same"})
    assert contents(found) == {"opt/two": b"same"}


def test_a_directory_of_the_base_is_an_entry_only_with_another_mode_or_owner():
    folders = [member("opt", tarfile.DIRTYPE), member("etc", tarfile.DIRTYPE, mode=0o700, mtime=BEGAN + 1)]
    found = take([(item, b"") for item in (*folders, member("opt/new", tarfile.DIRTYPE))])
    assert set(found.entries) == {"etc", "opt/new"}
    assert (found.entries["etc"].mode, found.entries["etc"].mtime) == (0o700, OLD)


@pytest.mark.parametrize(
    "path",
    [
        *(".imagekit/packages/a.rpm", ".dockerenv", "etc/hosts", "etc/resolv.conf", "dev/null", "proc/1", "tmp/x"),
        *("run/lock", "var/tmp/x", "var/cache/dnf/a.solv", "var/lib/dnf/history.sqlite", "var/log/dnf.log"),
        *("var/cache/ldconfig/aux-cache", "var/lib/rpm/.rpm.lock", "etc/passwd-", "etc/.pwd.lock", "var/lib/yum/x"),
    ],
)
def test_what_belongs_into_no_image_is_left_out(path):
    assert not take([(member(path), b"x")]).entries


@pytest.mark.parametrize("path", ["run/edge/file", "var/log/edge.log", "tmp/edge"])
def test_what_a_package_brings_there_is_in(path):
    assert set(take([(member(path), b"x")], owned=frozenset({path})).entries) == {path}


def test_what_slim_does_not_need_is_out():
    assert not take([(member("usr/share/doc/x"), b"x")], unneeded=frozenset({"usr/share/doc/x"})).entries


def test_what_is_no_longer_there_is_gone_but_for_what_engines_mount():
    found = take([(member(path, tarfile.DIRTYPE), b"") for path in LAYOUT.directories], [])
    assert sorted(found.gone()) == ["bin", "etc/settings", "usr/bin/tool"]


def test_devices_and_pipes_are_told_and_left_out():
    found = take([(member("opt/pipe", tarfile.FIFOTYPE), b""), (member("opt/device", tarfile.CHRTYPE), b"")])
    assert (found.special, dict(found.entries)) == (("opt/device", "opt/pipe"), {})


def test_a_name_that_is_not_utf_8_is_refused():
    with pytest.raises(BuildFailed, match="not UTF-8"):
        take([], ["opt/\N{REPLACEMENT CHARACTER}"])


def test_an_export_that_is_cut_off_is_refused():
    data = export([(member("opt/x"), b"x" * 2000)])
    with pytest.raises(BuildFailed, match="cut off"), reading([data[:1024]], "the container", Limits()) as reader:
        taken(["opt/x"], reader, Rules(layout=LAYOUT, own=frozenset(), since=0), lambda _: iter(()))


@given(st.binary(max_size=2048), st.lists(st.text(max_size=8), max_size=4))
def test_any_bytes_are_taken_or_refused(data, changed):
    rules = Rules(layout=LAYOUT, own=frozenset(), since=0)
    with (
        contextlib.suppress(BuildFailed),
        reading([data], "the container", Limits(total=1 << 20, entries=100)) as reader,
    ):
        assert taken(changed, reader, rules, lambda _: iter(())).present >= set()
