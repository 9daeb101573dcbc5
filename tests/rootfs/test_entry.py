"""The rules for paths and modes."""

import pytest

from imagekit.errors import BuildFailed
from imagekit.rootfs.entry import MTIME, Kind, archive_mode, checked, user_mode


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o000, 0o6644, 0o1644])
def test_a_users_file_is_0644_whatever_it_was(mode):
    assert user_mode(mode) == 0o644


@pytest.mark.parametrize("mode", [0o700, 0o777, 0o010, 0o001, 0o4711])
def test_a_users_file_that_anyone_may_execute_is_0755(mode):
    assert user_mode(mode) == 0o755


@pytest.mark.parametrize(
    ("mode", "kind", "expected"),
    [
        (0o600, Kind.FILE, 0o644),
        (0o444, Kind.FILE, 0o444),
        (0o666, Kind.FILE, 0o644),
        (0o700, Kind.FILE, 0o755),
        (0o6755, Kind.FILE, 0o755),
        (0o500, Kind.FILE, 0o555),
        (0o700, Kind.DIRECTORY, 0o755),
        (0o1777, Kind.DIRECTORY, 0o755),
        (0o600, Kind.DIRECTORY, 0o755),
    ],
)
def test_an_archives_entry_can_be_read_by_all_and_written_by_its_owner_alone(mode, kind, expected):
    assert archive_mode(mode, kind) == expected


def test_the_constant_mtime_is_the_first_that_a_zip_file_can_hold():
    import datetime

    assert datetime.datetime.fromtimestamp(MTIME, datetime.UTC).isoformat() == "1980-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b", "a/b"),
        ("./a//b/", "a/b"),
        ("a/./b", "a/b"),
        ("..a/b..", "..a/b.."),
        ("a/x.wh.y", "a/x.wh.y"),
        ("ü/日本", "ü/日本"),
        ("new\nline", "new\nline"),
        ("n" * 255, "n" * 255),
    ],
)
def test_a_path_is_normalised(path, expected):
    assert checked(path) == expected


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/etc/passwd", "is absolute"),
        ("//etc", "is absolute"),
        ("..", "climbs out"),
        ("a/../../b", "climbs out"),
        ("a/..", "climbs out"),
        ("", "is empty"),
        (".", "is empty"),
        ("./", "is empty"),
        ("a\0b", "holds a NUL"),
        ("a/.wh.b", "begins with .wh."),
        (".wh..wh..opq", "begins with .wh."),
        ("n" * 256, "name longer than 255"),
        ("ü" * 128, "name longer than 255"),
        ("/".join(["n" * 200] * 21), "longer than 4096"),
        ("a\udcff", "not UTF-8"),
    ],
)
def test_a_path_that_no_layer_may_hold_is_refused_with_its_reason(path, reason):
    with pytest.raises(BuildFailed, match=reason) as caught:
        checked(path, "tool.tar.gz")
    assert caught.value.message.startswith("tool.tar.gz: ")
    assert caught.value.message.isprintable()
