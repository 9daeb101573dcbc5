"""The merged view of an image's layers, and files taken out of it."""

import contextlib
import gzip
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagekit.errors import BuildFailed, ImagekitError, InvalidFile, WrongDigest
from imagekit.rootfs.base_layout import Directory
from imagekit.rootfs.entry import Entry, Kind
from imagekit.rootfs.from_image import ImagePath, from_image
from imagekit.rootfs.gzip import Codec
from imagekit.rootfs.layer import write_layer
from imagekit.rootfs.patterns import Patterns
from imagekit.rootfs.tar_reader import Limits
from imagekit.rootfs.whiteouts import MergedView, layout_of

TYPES = {"dir": tarfile.DIRTYPE, "->": tarfile.SYMTYPE, "=": tarfile.LNKTYPE, "device": tarfile.CHRTYPE}


def layer(*items: str | tuple[str, str | bytes], **fields) -> bytes:
    """A gzip layer: `name`, `name/`, `name -> target`, `name = hard link target`, `(name, content)`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for item in items:
            name, data = item if isinstance(item, tuple) else (item, b"")
            data = data.encode() if isinstance(data, str) else data
            info = tarfile.TarInfo(name)
            for mark, kind in TYPES.items():
                if f" {mark} " in f"{name} ":
                    name, _, info.linkname = name.partition(f" {mark} ")
                    info.name, info.type = name.removesuffix(f" {mark}"), kind
            if name.endswith("/"):
                info.name, info.type, info.mode = name[:-1], tarfile.DIRTYPE, 0o755
            info.size, info.mtime = len(data), 1_500_000_000
            for key, value in fields.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def openers(*layers: bytes, piece: int = 1000):
    def opener(raw: bytes):
        return lambda: contextlib.nullcontext(raw[at : at + piece] for at in range(0, len(raw), piece))

    return [opener(raw) for raw in layers]


def view(*layers: bytes, **options) -> MergedView:
    return MergedView.from_layers(openers(*layers), "img:1", **options)


def taken(*layers: bytes, path: str = "/", target: str = "/", **fields) -> dict[str, tuple[Entry, bytes]]:
    wanted = ImagePath(path=path, target=target, **fields)
    found = {}
    for entry, content in from_image(view(*layers), openers(*layers), "img:1", wanted):
        data = content() if callable(content) else content or b""
        if not isinstance(data, bytes):
            data = b"".join(iter(lambda stream=data: stream.read(100), b""))
        assert entry.path not in found
        found[entry.path] = entry, data
    return found


def files(*layers: bytes, **fields) -> dict[str, bytes]:
    return {path: data for path, (entry, data) in sorted(taken(*layers, **fields).items()) if entry.kind is Kind.FILE}


def test_the_highest_layer_that_has_a_path_provides_it():
    low = layer("d/", ("d/a", "low"), ("d/b", "low"))
    high = layer(("d/b", "high"), ("d/c", "high"))
    assert files(low, high) == {"d/a": b"low", "d/b": b"high", "d/c": b"high"}
    place = view(low, high).find("/d/b")
    assert (place.layer, place.size) == (1, 4)


def test_a_whiteout_removes_a_file_or_a_folder_of_the_layers_below():
    low = layer("d/", ("d/a", "1"), ("d/b", "2"), "e/", ("e/x/y", "3"))
    assert files(low, layer("d/", "d/.wh.a", ".wh.e")) == {"d/b": b"2"}
    assert files(low, layer("d/", "d/.wh.a"), layer(("d/a", "again"))) == {"d/a": b"again", "d/b": b"2", "e/x/y": b"3"}


def test_a_whiteout_does_not_touch_its_own_layer_wherever_it_stands_in_it():
    low = layer(("d/a", "low"))
    for items in ((("d/a", "high"), "d/.wh.a"), ("d/.wh.a", ("d/a", "high"))):
        assert files(low, layer(*items)) == {"d/a": b"high"}


def test_an_opaque_folder_hides_all_below_it_and_keeps_its_own():
    low = layer(("d/a", "1"), ("d/sub/b", "2"), ("e", "3"))
    for items in (("d/", "d/.wh..wh..opq", ("d/new", "4")), (("d/new", "4"), "d/.wh..wh..opq")):
        assert files(low, layer(*items)) == {"d/new": b"4", "e": b"3"}


def test_whiteouts_of_nothing_and_other_reserved_names_mean_nothing():
    low = layer(("d/a", "1"))
    assert files(low, layer(".wh.nothing", "x/.wh.y", "d/.wh..wh.plnk", "d/a/.wh.z", "n/.wh..wh..opq")) == {"d/a": b"1"}


def test_a_file_takes_the_place_of_a_folder_and_a_folder_that_of_a_file():
    assert files(layer(("a/b", "1")), layer(("a", "2"))) == {"a": b"2"}
    assert files(layer(("a", "1")), layer("a/", ("a/b", "2"))) == {"a/b": b"2"}
    assert files(layer(("a", "1")), layer(("a/b", "2"))) == {"a/b": b"2"}


def test_a_layer_writes_through_the_symlinks_of_the_layers_below():
    low = layer("usr/lib64/", "lib64 -> usr/lib64", "etc/ssl -> /usr/lib64", ("usr/lib64/old", "1"))
    found = taken(low, layer(("lib64/x", "2"), "lib64/.wh.old", ("etc/ssl/y", "3")))
    assert {path for path, (entry, _) in found.items() if entry.kind is Kind.FILE} == {"usr/lib64/x", "usr/lib64/y"}
    assert found["lib64"][0].target == "usr/lib64"


def test_a_folder_entry_takes_the_place_of_a_symlink():
    assert files(layer("a -> b", ("b/x", "1")), layer("a/", ("a/y", "2"))) == {"a/y": b"2", "b/x": b"1"}


def test_a_folder_or_a_file_is_taken_by_its_path():
    image = layer("opt/app/", ("opt/app/bin/tool", "1"), ("opt/app/x", "2"), "opt/app/empty/", ("opt/other", "3"))
    assert list(taken(image, path="/opt/app", target="/var/task")) == [
        "var/task/bin", "var/task/empty", "var/task/bin/tool", "var/task/x",
    ]  # fmt: skip
    assert files(image, path="/opt/app/x", target="/opt/y") == {"opt/y": b"2"}
    assert files(image, path="/opt/app/x", target="/opt/extensions/") == {"opt/extensions/x": b"2"}
    assert files(image, path="/opt/app/x", target="/") == {"x": b"2"}
    assert files(image, path="opt/app/", target="opt/app/") == {"opt/app/bin/tool": b"1", "opt/app/x": b"2"}


def test_symlinks_on_the_way_to_a_path_are_followed_inside_the_image_alone():
    image = layer("usr/bin/", ("usr/bin/tool-1", "1"), "bin -> usr/bin", "usr/bin/tool -> ../../../../bin/tool-1")
    assert files(image, path="/bin/tool", target="/opt/tool") == {"opt/tool": b"1"}
    assert files(image, path="/bin/../bin/tool-1", target="/opt/") == {"opt/tool-1": b"1"}
    kept = taken(image, path="/bin", target="/opt")["opt/tool"][0]
    assert (kept.kind, kept.target) == (Kind.SYMLINK, "../../../../bin/tool-1")
    assert view(layer("passwd -> /etc/passwd")).find("passwd") is None


def test_symlinks_in_a_circle_are_an_error():
    with pytest.raises(BuildFailed, match="go in a circle"):
        view(layer("a -> b", "b -> a")).find("a/x")
    with pytest.raises(BuildFailed, match="go in a circle"):
        view(layer("a -> b", "b -> a"), layer("a/x"))


def test_a_path_that_the_image_does_not_have_is_named():
    for image in (layer(("a", "1")), layer("a -> nothing"), layer()):
        with pytest.raises(InvalidFile, match=r"img:1 has no '/a/b'"):
            taken(image, path="/a/b")


def test_files_get_a_users_mode_and_keep_their_mtime():
    found = taken(layer(("a", "1"), mode=0o6511, uid=7, gid=8))["a"][0]
    assert (found.mode, found.uid, found.gid, found.mtime) == (0o755, 0, 0, 1_500_000_000)
    assert taken(layer(("a", "1"), mode=0o600))["a"][0].mode == 0o644
    forced = taken(layer(("d/a", "1"), "d/l -> a"), mode=0o755)
    assert [entry.mode for entry, _ in forced.values()] == [0o755, 0o777, 0o755]


def test_hard_links_become_copies_also_of_what_a_lower_layer_holds():
    low = layer(("bin/a", "one"), "bin/b = bin/a", "bin/c = ./bin/b")
    assert files(low) == dict.fromkeys(["bin/a", "bin/b", "bin/c"], b"one")
    high = layer("bin/d = /bin/a", ("bin/a", "two"))
    assert files(low, high)["bin/d"] == b"one"
    assert files(low, high)["bin/a"] == b"two"
    assert files(low, layer("bin/.wh.a")) == dict.fromkeys(["bin/b", "bin/c"], b"one")
    big = b"x" * (9 << 20)
    assert files(layer(("a", big), "b = a"), path="/b", target="/b") == {"b": big}


def test_a_hard_link_to_nothing_is_an_error():
    for item in ("a = nothing", "a = a", "a = d"):
        with pytest.raises(BuildFailed, match=r"img:1, layer 1: the hard link 'a' leads to"):
            view(layer("d/", item))


def test_patterns_choose_within_a_folder():
    image = layer("opt/", *((f"opt/{name}", "") for name in ("a.so", "b.a", "doc/x.so", "doc/y", "keep/z")))
    chosen = files(image, path="/opt", patterns=Patterns(exclude=("*.a", "doc/")))
    assert list(chosen) == ["a.so", "keep/z"]
    assert list(files(image, path="/opt", patterns=Patterns(include=("*.so",)))) == ["a.so", "doc/x.so"]


def test_devices_are_an_error_only_where_they_are_asked_for():
    image = layer("dev/null device", ("opt/a", "1"))
    assert files(image, path="/opt") == {"a": b"1"}
    with pytest.raises(BuildFailed, match="'/null' is a device or pipe"):
        taken(image, path="/dev")


def test_what_is_taken_becomes_a_layer_with_its_parents():
    image = layer("opt/", ("opt/lib/x.so", b"\x7fELF" * 1000), "opt/lib/y.so -> x.so", ("opt/run", "#!"))
    wanted = ImagePath(path="/opt", target="/opt/tool")
    sink = io.BytesIO()
    write_layer(from_image(view(image), openers(image), "img:1", wanted), sink, Codec(level=2))
    with tarfile.open(fileobj=io.BytesIO(sink.getvalue())) as found:
        assert found.getnames() == [
            "opt",
            "opt/tool",
            *(f"opt/tool/{n}" for n in ("lib", "lib/y.so", "lib/x.so", "run")),
        ]
        assert found.extractfile("opt/tool/lib/x.so").read() == b"\x7fELF" * 1000


def test_the_layout_has_directories_symlinks_and_files():
    low = layer("usr/lib64/", "lib64 -> usr/lib64", ("etc/os-release", "1"), uid=3, gid=4, mode=0o750)
    high = layer("lib64/.wh.x", ("lib64/y", ""), "dev/null device", "old/.wh..wh..opq", ("ro\udcff", ""))
    layout = layout_of(openers(low, high), "img:1")
    assert layout.directories["usr/lib64"] == Directory(mode=0o750, uid=3, gid=4, mtime=1_500_000_000)
    assert layout.symlinks == {"lib64": "usr/lib64"}
    assert layout.files == {"etc/os-release", "usr/lib64/y", "dev/null"}
    assert layout.resolved("lib64/y") == "usr/lib64/y"
    assert len(layout.digest.hex) == 64


@pytest.mark.parametrize("name", ["../x", "a/../../x", "a/..", "d/" * 2100 + "x"])
def test_a_name_that_climbs_out_is_an_error(name):
    with pytest.raises(BuildFailed, match=r"img:1, layer 2: the path .* climbs out"):
        view(layer("a"), layer(name))
    with pytest.raises(BuildFailed, match="climbs out"):
        view(layer(f"a = {name}"))


def test_names_with_a_leading_slash_or_dot_are_the_images():
    assert files(layer(("/a", "1"), ("./b", "2"), "./")) == {"a": b"1", "b": b"2"}


def test_plain_tars_and_other_compressions_are_layers_too():
    plain = gzip.decompress(layer(("a", "1")))
    assert files(plain) == files(layer(("a", "1"))) == {"a": b"1"}


def test_the_bounds_hold_for_all_layers_together():
    one = layer(("a", bytes(60_000)), ("b", "1"))
    two = layer(("c", bytes(60_000)), ("d", "1"))
    with pytest.raises(BuildFailed, match="layer 2: it has more than 1 entries"):
        view(one, two, limits=Limits(entries=3))
    with pytest.raises(BuildFailed, match="layer 2: it unpacks to more than"):
        view(one, two, limits=Limits(total=100_000))


def test_implied_directories_count():
    with pytest.raises(BuildFailed, match="too many files and directories"):
        view(layer(*(f"{number}/" + "d/" * 100 + "x" for number in range(15))), limits=Limits(entries=1000))


def test_symlinks_cannot_be_stacked_into_endless_depth():
    deep = "d/" * 1500
    with pytest.raises(BuildFailed, match="too deep"):
        view(layer(deep + "x", f"l -> {deep}", "l/" + deep + "y"))


class Judged:
    """A blob whose source finds at the end that its digest is wrong."""

    def __init__(self, raw: bytes):
        self.raw, self.right = raw, True

    @contextlib.contextmanager
    def __call__(self):
        def pieces():
            yield self.raw[:-1]
            if not self.right:
                raise WrongDigest("another digest")
            yield self.raw[-1:]

        yield pieces()


def test_layers_are_read_to_their_end_where_their_digest_is_judged():
    """Also where the wanted file stands first, and zeros follow the end of the tar."""
    blob = Judged(layer(("a", "1"), ("b", "2")) + gzip.compress(bytes(20_000)))
    merged = MergedView.from_layers([blob], "img:1")
    wanted = ImagePath(path="/a", target="/a")
    blob.right = False
    with pytest.raises(WrongDigest):
        MergedView.from_layers([blob], "img:1")
    with pytest.raises(WrongDigest):
        list(from_image(merged, [blob], "img:1", wanted))


def test_a_layer_that_is_another_one_at_the_second_reading_is_an_error():
    merged = view(layer(("a", "1"), ("b", "2")))
    wanted = ImagePath(path="/b", target="/b")
    with pytest.raises(BuildFailed, match="layer 1 changed between"):
        list(from_image(merged, openers(layer(("a", "1"))), "img:1", wanted))


NAMES = st.sampled_from(["a", "b", "c", "a/b", "a/c", "b/a", "a/b/c", ".", "/a"])
ITEMS = st.one_of(
    NAMES.map(lambda n: (n, "x")),
    NAMES.map(lambda n: f"{n}/"),
    st.tuples(NAMES, st.sampled_from(["a", "/b", "../c", "a/b", ".", "b/../a"])).map(" -> ".join),
    st.tuples(NAMES, NAMES).map(" = ".join),
    st.sampled_from([".wh.a", "a/.wh.b", "b/.wh..wh..opq", ".wh..wh..opq", "a/b/.wh.c"]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(ITEMS, max_size=8), min_size=1, max_size=4), st.sampled_from(["/", "/a", "/b/c"]))
def test_any_layers_give_files_or_an_error_of_ours(items, path):
    layers = [layer(*inner) for inner in items]
    with contextlib.suppress(ImagekitError):
        taken(*layers, path=path, target="/opt/")
    with contextlib.suppress(ImagekitError):
        layout = view(*layers).layout()
        assert not layout.files & layout.directories.keys()
        assert not layout.symlinks.keys() & layout.directories.keys()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=5), st.booleans())
def test_any_bytes_give_a_view_or_an_error_of_ours(flips, compressed):
    raw = layer(("d/a", "1"), "l -> d", "h = d/a", "d/.wh.b")
    data = bytearray(raw if compressed else gzip.decompress(raw)[:2560])
    for place, value in flips:
        data[int(place * len(data))] = value
    with contextlib.suppress(ImagekitError):
        view(bytes(data), limits=Limits(total=1 << 20))
