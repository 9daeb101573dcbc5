"""The architecture, held as data: who may import whom, who may connect, who may start processes, how large a part gets.

Outermost ring first. A module imports only from rings nearer the centre, or from its own package.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "imagekit"
#: Workers are no modules of imagekit: they run in images, by the interpreter there.
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "languages")

RINGS = (
    {"cli", "__main__"},
    {"pipeline", "locking", "join", "doctor"},
    {"keep", "context"},
    {"resolve", "resolve_packages", "lockfile", "gather", "build", "ahead", "deliver", "execute"},
    {"shared_layers"},
    {"openers"},
    {"making"},
    {"engines", "store", "emulator", "checks", "images", "look", "compare"},
    {"containers", "dockerfile"},
    {"plan", "facts", "sbom", "project", "news", "fan_out"},
    {"lock_changes"},
    {"lock", "lock_packages", "lock_trust"},
    {"base", "language", "client"},
    {"datafile", "packages"},
    {"spec", "rootfs"},
    {"rpm"},
    {"oci", "architecture", "data"},
    {"decompression"},
    {"placed"},
    {"errors", "findings", "progress", "parallel", "readable", "values", "words", "interrupts", "masking"},
    {"__init__"},
)
DEPTH = {name: depth for depth, ring in enumerate(RINGS) for name in ring}
#: Within a ring these never meet: they get what they need as arguments.
STRANGERS = {("engines", "store"), ("checks", "store"), ("emulator", "store"), ("images", "store")}

#: Who may import a module that opens connections or starts processes (`imagekit.` left out).
RESERVED = {
    "urllib3": {"store.connection", "store.failures"},
    "http.client": {"store.connection", "store.failures"},
    "http.server": set(),
    "socket": {"store.connection", "store.failures", "store.guard", "emulator", "containers"},
    "ssl": {"store.connection", "store.failures", "store.tls"},
    "requests": set(),
    "boto3": {"store.aws"},
    "botocore": {"store.aws"},
    "docker": {"containers", "store.docker", "engines.docker", "emulator.runners"},
    "subprocess": {
        "gather",
        "store.auth",
        "store.helpers",
        "store.credentials",
        "emulator",
        "engines",
        "client.build",
        "containers.ssh",
    },
}
#: Rings that read only what they are given: no process, no connection, and no look at the machine.
PURE = {
    "oci",
    "rpm",
    "spec",
    "packages",
    "lock",
    "lock_packages",
    "lock_trust",
    "lock_changes",
    "news",
    "dockerfile",
    "plan",
    "fan_out",
    "facts",
    "sbom",
}
IMPURE_MODULES = {"subprocess", "socket", "ssl", "urllib3", "http", "requests", "docker", "boto3", "shutil", "tempfile"}
PRINTS = {"cli", "__main__"}
#: Names that mean something else too: how a file is opened, a shell to complete in, what imagekit runs on, and how a
#: Dockerfile says that there is nothing below.
ALSO_WORDS = {"r", "bash", "python", "scratch"}
#: Importing these costs more than a command that does not need them may take.
#: What the transport imports at the first request, and nobody else at all.
AT_FIRST_REQUEST = {"store.connection", "store.failures"}
HEAVY = {"jsonschema", "docker", "boto3", "botocore", "zstandard", "pathspec", "urllib3"}


def part_of(module: Path) -> str:
    """The package or module right below `imagekit` that a file belongs to."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(module: Path) -> str:
    """The dotted name below `imagekit`."""
    return ".".join(module.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            module = node.module or ""
            yield module, node.lineno
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def inner_parts(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The parts of imagekit that a module imports from."""
    for name, line in imports(tree):
        words = name.split(".")
        if words[0] == "imagekit" and len(words) > 1 and words[1] in DEPTH:
            yield words[1], line


@pytest.fixture(params=MODULES, ids=name_of)
def module(request) -> Path:
    return request.param


@pytest.fixture
def tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def test_every_part_has_a_ring(module):
    assert part_of(module) in DEPTH, f"say in tests/test_architecture.py where {part_of(module)} belongs"


def test_imports_go_towards_the_centre(module, tree):
    here = part_of(module)
    for there, line in inner_parts(tree):
        assert there == here or DEPTH[there] >= DEPTH[here], f"{module.name}:{line}: {here} may not import {there}"
        assert (here, there) not in STRANGERS, f"{module.name}:{line}: {here} gets {there} as an argument"


def test_connections_and_processes_stay_where_they_belong(module, tree):
    here = name_of(module)
    for name, line in imports(tree):
        for reserved, allowed in RESERVED.items():
            if name == reserved or name.startswith(reserved + "."):
                mine = any(here == place or here.startswith(place + ".") for place in allowed)
                assert mine, f"{module.name}:{line}: {reserved} is imported only in {sorted(allowed)}"


def test_the_pure_rings_see_only_what_they_are_given(module, tree):
    if part_of(module) in PURE:
        used = {name.split(".")[0] for name, _ in imports(tree)}
        assert not used & IMPURE_MODULES
        assert not {"open", "input"} & {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }


def test_only_the_command_line_prints_reads_the_environment_and_exits(module, tree):
    if part_of(module) in PRINTS:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"print", "exit", "quit"}, f"line {node.lineno}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in {
                ("os", "environ"),
                ("os", "getenv"),
                ("sys", "exit"),
                ("sys", "stdout"),
                ("sys", "stderr"),
                ("os", "getcwd"),
            }, f"line {node.lineno}"


def test_heavy_modules_are_imported_where_they_are_used(module, tree):
    if name_of(module) in AT_FIRST_REQUEST:
        return
    for node in tree.body:
        for name, line in imports(node) if isinstance(node, ast.Import | ast.ImportFrom) else ():
            assert name.split(".")[0] not in HEAVY, f"{module.name}:{line}: import {name} inside the function"


def test_no_name_of_a_language_or_a_system_in_the_code(module, tree):
    """A language or a base is a folder with data; code that knows one by name would have to know them all."""
    names = {path.parent.name for path in PACKAGE.parent.glob("base_images/*/base.yaml")}
    names |= {path.parent.name for path in PACKAGE.glob("languages/*/language.yaml")}
    names -= ALSO_WORDS
    docs = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docs:
            assert node.value not in names, f"{module.name}:{node.lineno}: {node.value!r}"


def test_parts_stay_small(module, tree):
    lines = len(module.read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{module.name} has {lines} lines: split it by concept"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= 50, f"{module.name}:{node.lineno}: {node.name} has {length} lines"


def test_values_are_frozen_keyword_only_and_slotted(module, tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "dataclass":
                    given = {item.arg for item in decorator.keywords}
                    assert {"frozen", "slots"} <= given, f"{module.name}:{node.lineno}: {node.name}"
                assert getattr(decorator, "id", "") != "dataclass", f"{module.name}:{node.lineno}: {node.name}"


def test_values_are_cheap_to_define(module, tree):
    """Every dataclass of the standard library costs each start 0.5 ms; only one that is ordered needs it."""
    if name_of(module) == "values":
        return
    orders = "order=True" in module.read_text(encoding="utf-8")
    for name, line in imports(tree):
        assert name != "dataclasses.dataclass" or orders, f"{module.name}:{line}: take it from imagekit.values"


def test_public_things_have_docstrings(module, tree):
    for node in [tree, *ast.walk(tree)]:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            name = getattr(node, "name", "the module")
            if not name.startswith("_"):
                inner = isinstance(node, ast.FunctionDef) and not _is_top(tree, node)
                assert inner or ast.get_docstring(node), f"{module.name}: {name} has no docstring"


def _is_top(tree: ast.Module, node: ast.FunctionDef) -> bool:
    """A function of the module or a method, not one inside another function."""
    classes = [item for item in tree.body if isinstance(item, ast.ClassDef) and not item.name.startswith("_")]
    return any(node in owner.body for owner in (tree, *classes))


def test_every_error_says_what_to_do_and_how_it_exits():
    from imagekit import errors

    classes = [
        item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, errors.ImagekitError)
    ]
    assert {item.exit_code for item in classes} == {1, 2, 3, 4, 5, 70, 130}
    assert all(item.advice for item in classes if item is not errors.ImagekitError)


def test_every_code_in_the_code_is_in_the_table_and_used():
    import re

    from imagekit.findings import CODES

    used = set()
    for module in MODULES:
        if module.name != "findings.py":
            used |= set(re.findall(r"IK\d{4}", module.read_text(encoding="utf-8")))
    assert used == set(CODES)
