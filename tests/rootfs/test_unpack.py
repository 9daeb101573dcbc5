"""Layers unpacked into a folder: what is in it, that it is whole, and that nothing gets out of it."""

import contextlib
import gzip
import io
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagekit.errors import BuildFailed, Missing, RemoteFailed, WrongDigest
from imagekit.oci.digest import Digest
from imagekit.rootfs.ahead import ReadAhead
from imagekit.rootfs.tar_reader import Limits
from imagekit.rootfs.unpack import Layer, remove, unpacked
from imagekit.rootfs.whiteouts import MergedView, descend
from tests.support.permissions import binding

TYPES = {"->": tarfile.SYMTYPE, "=": tarfile.LNKTYPE, "device": tarfile.CHRTYPE, "pipe": tarfile.FIFOTYPE}
POINTS = {"dev", "proc", "tmp", "etc", "etc/hosts", "etc/resolv.conf"}


def tar(*items: str | tuple[str, str | int]) -> bytes:
    """A tar: `name`, `name/`, `name -> target`, `name = hard link target`, with a content or a mode."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for item in items:
            name, extra = item if isinstance(item, tuple) else (item, "")
            info = tarfile.TarInfo(name)
            for mark, kind in TYPES.items():
                if f" {mark} " in f"{name} ":
                    name, _, info.linkname = name.partition(f" {mark} ")
                    info.name, info.type = name.removesuffix(f" {mark}"), kind
            if name.endswith("/"):
                info.name, info.type, info.mode = name, tarfile.DIRTYPE, 0o755
            if isinstance(extra, int):
                info.mode = extra
            data = extra.encode() if isinstance(extra, str) else b""
            info.size, info.mtime = len(data), 1_500_000_000
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def layer(raw: bytes, *, blob: bytes | None = None, piece: int = 1000) -> Layer:
    packed = gzip.compress(raw, 1) if blob is None else blob

    @contextlib.contextmanager
    def opener():
        yield iter([packed[at : at + piece] for at in range(0, len(packed), piece)])

    return Layer(opener=opener, diff_id=Digest.of(raw))


@pytest.fixture
def unpack(tmp_path):
    """Unpacks tars, lowest first; what it made is removed again, which must work whatever the modes."""
    made = []

    def of(*tars: bytes, **options) -> Path:
        with binding():
            made.append(unpacked(str(tmp_path / "cache"), [layer(raw) for raw in tars], "img:1", **options))
        return Path(made[-1])

    yield of
    with binding():
        for place in made:
            remove(place)
            assert not os.path.exists(place)


def tree(top: Path) -> dict[str, str]:
    """Paths with what is there, without what runners mount on."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in (*folders, *files):
            path = Path(folder, name)
            short = str(path.relative_to(top))
            if path.is_symlink():
                found[short] = f"-> {os.readlink(path)}"
            else:
                found[short] = "/" if path.is_dir() else path.read_text()
    return {path: what for path, what in found.items() if path not in POINTS}


def names(root: Path) -> list[str]:
    """What is visible in the cache."""
    return [item.name for item in (root / "cache").iterdir() if item.name != "lock"]


def test_layers_lie_over_each_other(unpack):
    place = unpack(
        tar("a/", ("a/one", "1"), ("a/two", "2"), ("b", "old"), "link -> a", "c/", ("c/deep", "x")),
        tar(("b", "new"), "a/.wh.one", ("link/three", "3"), ".wh.c"),
    )
    assert tree(place) == {"a": "/", "a/two": "2", "a/three": "3", "b": "new", "link": "-> a"}


def test_an_opaque_folder_hides_what_is_below_and_not_what_comes_with_it(unpack):
    below = tar("a/", ("a/one", "1"), "a/in/", ("a/in/x", "x"))
    assert tree(unpack(below, tar(("a/two", "2"), "a/.wh..wh..opq"))) == {"a": "/", "a/two": "2"}
    assert tree(unpack(below, tar("a/.wh..wh..opq", ("a/in/y", "y")))) == {"a": "/", "a/in": "/", "a/in/y": "y"}


def test_kinds_replace_each_other(unpack):
    place = unpack(
        tar("a/", ("a/x", "x"), ("b", "file"), "c -> a"),
        tar(("a", "now a file"), "b/", ("b/y", "y"), "c/", ("c/z", "z")),
    )
    assert tree(place) == {"a": "now a file", "b": "/", "b/y": "y", "c": "/", "c/z": "z"}


def test_a_hard_link_is_the_same_file(unpack):
    place = unpack(tar(("a/x", "content"), "b = a/x", "l -> a/x", "m = l"), tar("c = /a/x", "a/x = a/x"))
    assert os.stat(place / "b").st_ino == os.stat(place / "c").st_ino == os.stat(place / "a/x").st_ino
    assert os.readlink(place / "m") == "a/x"


def test_modes_are_those_of_others_and_times_are_kept(unpack):
    modes = {"a": 0o600, "b": 0o644, "c": 0o755, "d": 0o4711, "e": 0o666, "f/": 0o700, "g/": 0o755}
    place = unpack(tar(*modes.items()))
    seen = {name: os.lstat(place / name.rstrip("/")).st_mode & 0o7777 for name in modes}
    assert seen == {"a": 0, "b": 0o444, "c": 0o555, "d": 0o111, "e": 0o666, "f/": 0, "g/": 0o555}
    assert {os.stat(place / name.rstrip("/")).st_mtime for name in modes} == {1_500_000_000}


def test_what_runners_mount_on_is_there_and_what_was_there_stays(unpack):
    place = unpack(tar("etc/", ("etc/hosts", "mine"), "dev/"))
    assert all((place / name).exists() for name in POINTS)
    assert (place / "etc/hosts").read_text() == "mine"


def test_the_same_layers_are_unpacked_once(tmp_path):
    opened = []
    raw = tar(("a", "1"))

    def counted() -> Layer:
        one = layer(raw)
        return Layer(opener=lambda: opened.append(1) or one.opener(), diff_id=one.diff_id)  # type: ignore[func-returns-value]

    def work() -> None:
        unpacked(str(tmp_path / "cache"), [counted()], "img:1")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work()
    assert opened == [1]
    assert len(names(tmp_path)) == 1


@pytest.mark.parametrize(
    "blob", [b"", b"no gzip at all", gzip.compress(tar(("a", "1")))[:-9], gzip.compress(b"x" * 999)]
)
def test_a_damaged_layer_leaves_nothing(tmp_path, blob):
    with pytest.raises(BuildFailed, match="layer 2"):
        unpacked(str(tmp_path / "cache"), [layer(tar("a/")), layer(tar(("a/b", "1")), blob=blob)], "img:1")
    assert names(tmp_path) == []


def test_a_layer_with_another_diff_id_is_refused(tmp_path):
    other = layer(tar(("a", "1")), blob=gzip.compress(tar(("a", "2"))))
    with pytest.raises(WrongDigest, match="layer 1 unpacks to sha256:"):
        unpacked(str(tmp_path / "cache"), [other], "img:1")
    assert names(tmp_path) == []


def test_a_source_that_fails_in_the_middle_is_heard(tmp_path):
    blob = gzip.compress(os.urandom(3 << 20))

    @contextlib.contextmanager
    def opener():
        def pieces():
            yield blob[:1_000_000]
            raise RemoteFailed("the line is dead")

        yield pieces()

    with pytest.raises((RemoteFailed, BuildFailed)):
        unpacked(str(tmp_path / "cache"), [Layer(opener=opener, diff_id=Digest.of(b""))], "img:1")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([("../x", "1")], "climbs out"),
        ([("a/../../x", "1")], "climbs out"),
        (["a device"], "is a device or pipe"),
        (["tmp/a pipe"], "is a device or pipe"),
        (["x = ../../etc/passwd"], "climbs out"),
        (["x = /etc/passwd"], "is no file there"),
        (["d/", "x = d"], "is no file there"),
        (["a/.wh..."], "removes the folder"),
        (["a/.wh.."], "removes the folder"),
        ([".wh."], "removes the folder"),
        ([("a", "1"), "l -> l", ("l/x", "1")], "circle"),
        (["x -> "], "leads to"),
        ([("/".join("d" * 2100) + "/x", "1")], "too deep|climbs out"),
        ([("n" * 300, "1")], "a name that this file system cannot"),
        ([". device"], "its top"),
    ],
)
def test_a_hostile_layer_is_refused(tmp_path, items, message):
    with pytest.raises(BuildFailed, match=message):
        unpacked(str(tmp_path / "cache"), [layer(tar(*items))], "img:1")
    assert names(tmp_path) == []
    assert [item.name for item in tmp_path.iterdir()] == ["cache"]


def test_devices_where_runners_mount_their_own_are_left_out(unpack):
    assert tree(unpack(tar("dev/", "dev/null device", "dev/pts/", "dev/pts/x device"))) == {"dev/pts": "/"}


def test_symlinks_lead_inside_the_image_wherever_they_point(unpack, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    place = unpack(
        tar(f"abs -> {outside}", "up -> ../../../outside", ("abs/x", "1"), ("up/y", "2"), "abs/.wh.x"),
        tar("abs/.wh.x", ("z", "3")),
    )
    assert list(outside.iterdir()) == []
    inner = str(outside).lstrip("/")
    assert tree(place)["outside/y"] == "2"
    assert f"{inner}/x" not in tree(place)


@pytest.mark.parametrize(
    ("items", "limits"),
    [
        ([f"d{number}/" for number in range(50)], Limits(entries=40)),
        (["a/b/c/d/e/f/g/h/"], Limits(entries=5)),
        ([("x", "0" * 100_000)], Limits(total=50_000)),
    ],
)
def test_bombs_are_bounded(tmp_path, items, limits):
    with pytest.raises(BuildFailed, match=r"more than|too many"):
        unpacked(str(tmp_path / "cache"), [layer(tar(*items))], "img:1", limits=limits)
    assert names(tmp_path) == []


def test_the_bound_is_on_all_layers_together(tmp_path):
    layers = [layer(tar((name, "0" * 30_000))) for name in "abc"]
    with pytest.raises(BuildFailed, match="layer 3: it unpacks to more"):
        unpacked(str(tmp_path / "cache"), layers, "img:1", limits=Limits(total=85_000))


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "cache").mkdir(0o500)
    with binding(), pytest.raises(Missing, match="cannot be unpacked"):
        unpacked(str(tmp_path / "cache"), [layer(tar("a/"))], "img:1")


def test_a_stem_is_unpacked_once_and_gives_the_same_folder(tmp_path):
    below = tar("a/", ("a/x", "x"), "locked/", ("locked/y", "y"), ("locked/", 0o700), "l -> a/x", ("b", 0o4755))
    opened: list[bytes] = []

    def counted(raw: bytes) -> Layer:
        one = layer(raw)
        return Layer(opener=lambda: opened.append(raw) or one.opener(), diff_id=one.diff_id)  # type: ignore[func-returns-value]

    tops = [tar(("top", str(number)), "a/.wh.x", ("locked/z", "z")) for number in range(3)]
    with binding():
        for top in tops:
            with_stem = unpacked(str(tmp_path / "stems"), [counted(below), counted(top)], "img:1", keeps_stem=True)
            without = unpacked(str(tmp_path / "plain"), [layer(below), layer(top)], "img:1")
            modes = [
                {name: os.lstat(f"{place}/{name}").st_mode for name in ("a", "locked", "l", "b", "top", "")}
                for place in (with_stem, without)
            ]
            assert modes[0] == modes[1]
            for place in (with_stem, without):
                os.chmod(f"{place}/locked", 0o700)
            assert tree(Path(with_stem)) == tree(Path(without))
        remove(with_stem)
    assert opened == [below, *tops]


@pytest.mark.parametrize("keeps_stem", [False, True])
def test_the_time_of_what_was_unpacked_is_that_of_its_use(tmp_path, keeps_stem):
    layers = [layer(tar(("a", "1"))), layer(tar(("b", "x")))]
    before = tmp_path.stat().st_mtime
    place = unpacked(str(tmp_path / "cache"), layers, "img:1", keeps_stem=keeps_stem)
    assert os.stat(place).st_mtime >= before
    os.utime(place, (1, 1))
    assert unpacked(str(tmp_path / "cache"), layers, "img:1") == place
    assert os.stat(place).st_mtime >= before


def test_a_stem_of_other_layers_is_not_taken(tmp_path):
    one, two = tar(("a", "1")), tar(("a", "2"))
    for below in (one, two):
        place = unpacked(str(tmp_path / "cache"), [layer(below), layer(tar(("b", "x")))], "img:1", keeps_stem=True)
        assert tree(Path(place))["a"] == ("1" if below is one else "2")


_KILLED = """
import contextlib, os, signal, sys
from imagekit.oci.digest import Digest
from imagekit.rootfs.unpack import Layer, unpacked
data = open(sys.argv[2], "rb").read()

@contextlib.contextmanager
def opener():
    def pieces():
        yield data
        os.kill(os.getpid(), signal.SIGKILL)
    yield pieces()

unpacked(sys.argv[1], [Layer(opener=opener, diff_id=Digest.of(b""))], "img:1")
"""


def test_a_killed_unpack_leaves_nothing_visible_and_the_next_one_cleans_up(tmp_path):
    half = tar("locked/", ("locked", 0o700), *((f"d/{number}", "x" * 2000) for number in range(500)))[:-1024]
    (tmp_path / "half").write_bytes(half)
    words = [sys.executable, "-c", textwrap.dedent(_KILLED), str(tmp_path / "cache"), str(tmp_path / "half")]
    root = Path(__file__).parents[2]
    assert subprocess.run(words, cwd=root, check=False).returncode == -signal.SIGKILL
    assert [name for name in names(tmp_path) if not name.endswith(".part")] == []
    assert len(names(tmp_path)) == 1
    unpacked(str(tmp_path / "cache"), [layer(tar("a/"))], "img:1")
    assert not any(name.endswith(".part") for name in names(tmp_path))


def test_a_hard_link_in_place_of_the_folder_that_its_file_is_in_is_refused(tmp_path):
    layers = [layer(tar(("a/b/c", "1"), "a = a/b/c"))]
    with pytest.raises(BuildFailed, match=r"the hard link 'a' leads to 'a/b/c', which is no file there"):
        unpacked(str(tmp_path / "cache"), layers, "img:1")
    with pytest.raises(BuildFailed, match=r"the hard link 'a' leads to 'a/b/c', which is no file there"):
        MergedView.from_layers([item.opener for item in layers], "img:1")


NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
ITEMS = st.one_of(
    st.tuples(PATHS, st.sampled_from(["1", "2"])),
    PATHS.map(lambda path: path + "/"),
    st.tuples(PATHS, st.sampled_from(["a", "/b", "../c", "a/b"])).map(lambda both: f"{both[0]} -> {both[1]}"),
    st.tuples(PATHS, PATHS).map(lambda both: f"{both[0]} = {both[1]}"),
)
WHITEOUTS = st.one_of(
    PATHS.map(lambda path: "/".join([*path.split("/")[:-1], ".wh." + path.split("/")[-1]])),
    PATHS.map(lambda path: f"{path}/.wh..wh..opq"),
)
#: Whiteouts first: what they mean among later entries of the same layer is a question of order.
LAYERS = st.lists(
    st.tuples(st.lists(WHITEOUTS, max_size=2), st.lists(ITEMS, max_size=6)).map(lambda both: tar(*both[0], *both[1])),
    min_size=1,
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(tars=LAYERS)
def test_the_folder_is_what_the_merged_view_says(tmp_path_factory, tars):
    folder = tmp_path_factory.mktemp("view")
    layers = [layer(raw) for raw in tars]
    try:
        view = MergedView.from_layers([item.opener for item in layers], "img:1")
    except BuildFailed:
        with pytest.raises(BuildFailed):
            unpacked(str(folder / "cache"), layers, "img:1")
        return
    place = unpacked(str(folder / "cache"), layers, "img:1")
    expected = {path: (str(found.kind), found.target) for path, found in descend(view.root, "")}
    seen = {}
    for path, what in tree(Path(place)).items():
        kind = "directory" if what == "/" else "symlink" if what.startswith("-> ") else "file"
        seen[path] = (kind, what.removeprefix("-> ") if kind == "symlink" else "")
    assert seen == {path: (kind, target if kind == "symlink" else "") for path, (kind, target) in expected.items()}


class Counted:
    """A stream that fails at its end, and knows how far it was read."""

    def __init__(self, pieces: int) -> None:
        self.left = pieces

    def read(self, size: int, /) -> bytes:
        if not self.left:
            raise OSError("the end")
        self.left -= 1
        return b"x" * min(size, 1 << 18)

    def close(self) -> None:
        """Nothing."""


def test_reading_ahead_is_bounded_and_can_be_left():
    source = Counted(1000)
    ahead = ReadAhead(source)
    assert ahead.read(10) == b"x" * 10
    ahead.close()
    assert source.left > 900


def test_an_error_comes_where_it_stands():
    ahead = ReadAhead(Counted(3))
    assert sum(len(ahead.read(1 << 17)) for _ in range(6)) == 3 << 18
    with pytest.raises(OSError, match="the end"):
        ahead.read(1)
    assert ahead.read(1) == b""
    ahead.close()
