"""Files that a person names: regular ones, and a bounded part of them."""

from __future__ import annotations

import os
import socket

import pytest

from imagekit.gather import regular


@pytest.mark.parametrize(("data", "found"), [(b"", b""), (b"1234", b"1234"), (b"123456789", b"12345")])
def test_no_more_is_read_than_tells_that_a_file_is_too_long(tmp_path, data, found):
    (tmp_path / "x").write_bytes(data)
    assert regular.read(tmp_path / "x", 4) == found


def test_nothing_but_a_regular_file_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        for path in ("pipe", "socket", "/dev/zero"):
            with pytest.raises(OSError, match="it is not a regular file"):
                regular.read(path, 4)


def test_a_folder_and_nothing_at_all_are_told_as_ever(tmp_path):
    with pytest.raises(IsADirectoryError):
        regular.read(tmp_path, 4)
    with pytest.raises(FileNotFoundError):
        regular.read(tmp_path / "x", 4)
