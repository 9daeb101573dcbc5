"""What a user whom no package knows can use of an image."""

from imagekit.rootfs.entry import Kind
from imagekit.rootfs.reach import out_of_reach

FOLDER, FILE, LINK = Kind.DIRECTORY, Kind.FILE, Kind.SYMLINK


def test_files_are_read_and_programs_are_run():
    entries = [
        ("usr/bin/all", FILE, 0o755),
        ("usr/bin/run", FILE, 0o4711),
        ("usr/bin/own", FILE, 0o750),
        ("etc/all", FILE, 0o644),
        ("etc/own", FILE, 0o640),
        ("etc/shadow", FILE, 0),
        ("etc/link", LINK, 0o777),
    ]
    assert out_of_reach(entries) == ["etc/own", "etc/shadow", "usr/bin/own"]


def test_a_closed_folder_stands_for_what_is_in_it():
    entries = [
        ("opt/app", FOLDER, 0o700),
        ("opt/app/deep", FOLDER, 0o700),
        ("opt/app/deep/file", FILE, 0o600),
        ("opt/apple", FILE, 0o644),
        ("var/lib/empty", FOLDER, 0o700),
        ("var/listed", FOLDER, 0o711),
        ("var/listed/file", FILE, 0o644),
        ("srv", FOLDER, 0o750),
        ("srv/deep", FOLDER, 0o755),
        ("srv/deep/link", LINK, 0o777),
    ]
    assert out_of_reach(entries) == ["opt/app", "srv"]
