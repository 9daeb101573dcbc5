"""Trees: canonical, lazily read, split."""

import random

import pytest

from imagekit.oci.digest import Digest
from imagekit.rootfs.entry import Kind
from imagekit.rootfs.tree import Node, Tree

NODES = (
    Node(path="a", kind=Kind.DIRECTORY, mode=0o755),
    Node(path="a/b\t\n.js", kind=Kind.FILE, mode=0o644, size=3, digest=Digest.of(b"abc")),
    Node(path="a/link", kind=Kind.SYMLINK, mode=0o777, target="../grün"),
    Node(path="a-b", kind=Kind.FILE, mode=0o755, size=0, digest=Digest.of(b"")),
)


def test_nodes_come_back_sorted_whatever_their_order_was():
    shuffled = list(NODES)
    random.Random(4).shuffle(shuffled)
    tree = Tree.from_nodes(shuffled)
    assert tree == Tree.from_nodes(NODES)
    assert [node.path for node in tree.nodes] == ["a", "a-b", "a/b\t\n.js", "a/link"]
    assert set(tree.nodes) == set(NODES)


@pytest.mark.parametrize(
    "changed",
    [
        Node(path="c", kind=Kind.FILE, mode=0o644, size=3, digest=Digest.of(b"abc")),
        Node(path="b", kind=Kind.FILE, mode=0o755, size=3, digest=Digest.of(b"abc")),
        Node(path="b", kind=Kind.FILE, mode=0o644, size=3, digest=Digest.of(b"abd")),
        Node(path="b", kind=Kind.SYMLINK, mode=0o777, target="abc"),
        Node(path="b", kind=Kind.DIRECTORY, mode=0o755),
    ],
)
def test_path_kind_executable_bit_and_content_make_the_digest(changed):
    before = Node(path="b", kind=Kind.FILE, mode=0o644, size=3, digest=Digest.of(b"abc"))
    assert Tree.from_nodes([before]).digest != Tree.from_nodes([changed]).digest


def test_a_tree_survives_being_kept():
    tree = Tree.from_nodes(NODES)
    assert Tree.from_bytes(tree.to_bytes()) == tree


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"0" + b[1:], lambda b: b"", lambda b: b + b" "])
def test_a_damaged_record_is_no_tree(damage):
    assert Tree.from_bytes(damage(Tree.from_nodes(NODES).to_bytes())) is None


def test_a_tree_splits_into_folders_and_the_rest():
    names = ["index.js", "node_modules", "node_modules/a", "node_modules/a/x.js", "node_modules2", "sub/node_modules"]
    tree = Tree.from_nodes(Node(path=name, kind=Kind.DIRECTORY, mode=0o755) for name in names)
    inside, rest = tree.split(("node_modules",))
    assert [node.path for node in inside.nodes] == ["node_modules", "node_modules/a", "node_modules/a/x.js"]
    assert [node.path for node in rest.nodes] == ["index.js", "node_modules2", "sub/node_modules"]
