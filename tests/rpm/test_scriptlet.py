"""Scriptlets out of a header."""

import contextlib
import io
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.errors import BuildFailed
from imagekit.rpm.header import Header
from imagekit.rpm.package import Package
from imagekit.rpm.scriptlet import Scriptlet, ScriptletKind, scriptlets
from tests.support.packages import headers, package
from tests.support.packages.headers import INT32, STRING, STRINGS
from tests.support.packages.package import Trigger
from tests.support.tools import need

MADE = package.Package(
    "a",
    scripts={
        "pre": ("/bin/sh", "useradd a\n"),
        "post": ("/sbin/ldconfig", ""),
        "postun": ("/bin/sh -e -x", "exit 0"),
        "posttrans": ("<lua>", "print(1)"),
        "verify": ("/bin/sh", "true"),
    },
    triggers=(
        Trigger("package", "echo in", ("glibc >= 2.34", "bash")),
        Trigger("package", "echo un", ("bash",), flags=1 << 17),
        Trigger("file", "files", ("/usr/lib", "/lib64"), program="<lua>"),
        Trigger("transaction", "transaction", ("/usr/share/mime",), flags=1 << 18),
    ),
)


def of(made: package.Package) -> dict[ScriptletKind, Scriptlet]:
    found = scriptlets(Package.read(io.BytesIO(made.built.data), "a.rpm").header)
    return {one.kind: one for one in found}


def test_plain_scriptlets():
    found = of(MADE)
    pre = found[ScriptletKind.PRE]
    assert (pre.program, pre.body, pre.flags, pre.is_trigger) == (("/bin/sh",), "useradd a\n", 0, False)
    assert (found[ScriptletKind.POST].program, found[ScriptletKind.POST].body) == (("/sbin/ldconfig",), "")
    assert found[ScriptletKind.POSTUN].program == ("/bin/sh", "-e", "-x")
    assert found[ScriptletKind.POSTTRANS].program == ("<lua>",)
    assert [kind.value for kind in found] == [
        *("%pre", "%post", "%postun", "%posttrans", "%verifyscript"),
        *("%triggerin", "%triggerun", "%filetriggerin", "%transfiletriggerpostun"),
    ]


def test_triggers_with_what_sets_them_off():
    found = of(MADE)
    one = found[ScriptletKind.TRIGGERIN]
    assert (one.body, [str(condition) for condition in one.conditions]) == ("echo in", ["glibc >= 2.34", "bash"])
    assert [str(condition) for condition in found[ScriptletKind.TRIGGERUN].conditions] == ["bash"]
    files = found[ScriptletKind.FILETRIGGERIN]
    assert [condition.name for condition in files.conditions] == ["/usr/lib", "/lib64"]
    assert (files.program, files.priority, files.is_trigger) == (("<lua>",), 1_000_000, True)


def test_a_package_without_scriptlets():
    assert of(package.Package("a")) == {}


def test_bodies_without_a_program_are_for_the_shell():
    fields = {1023: (STRING, "true"), 5020: (INT32, [1]), 1065: (STRINGS, ["true"]), 1066: (STRINGS, ["b"])}
    fields |= {1067: (STRINGS, [""]), 1068: (INT32, [1 << 25]), 1069: (INT32, [0])}
    pre, trigger = scriptlets(Header.from_blob(headers.packed(fields, headers.IMMUTABLE)))
    assert pre == Scriptlet(kind=ScriptletKind.PRE, program=("/bin/sh",), body="true", flags=1)
    assert (trigger.kind, trigger.program) == (ScriptletKind.TRIGGERPREIN, ("/bin/sh",))


@pytest.mark.parametrize(
    ("tag", "value", "message"),
    [
        (1069, (INT32, [0, 0, 5]), "do not match"),
        (1069, (INT32, [0, 0]), "do not match"),
        (1067, (STRINGS, [""]), "do not match"),
        (1069, (INT32, [1, 1, 1]), "sets off its trigger 0"),
        (1068, (INT32, [1 << 16, 1 << 17, 1 << 17]), "sets off its trigger 0"),
        (1068, (INT32, [0, 0, 0]), "sets off its trigger 0"),
        (5072, (INT32, [1 << 25, 1 << 25]), "sets off its trigger 0"),
        (1092, (STRINGS, ["/bin/sh"]), "other numbers of programs"),
        (5084, (INT32, [1, 2]), "other numbers of programs"),
        (1023, (INT32, [1]), "holds no text"),
    ],
)
def test_headers_that_contradict_themselves(tag, value, message):
    with pytest.raises(BuildFailed, match=rf"^a\.rpm.* is damaged: .*{message}"):
        of(package.Package("a", scripts=MADE.scripts, triggers=MADE.triggers, lies={tag: value}))


RAW = MADE.built.header[8:]


@given(st.integers(8, len(RAW)), st.binary(max_size=8))
def test_scriptlets_of_any_header(at, junk):
    with contextlib.suppress(BuildFailed):
        scriptlets(Header.from_blob((RAW[:at] + junk + RAW[at + len(junk) :])[: len(RAW)]))


@pytest.mark.real
def test_what_rpmbuild_writes(tmp_path):
    spec = "Name: a\nVersion: 1\nRelease: 1\nSummary: a\nLicense: MIT\nBuildArch: noarch\n%description\na\n%files\n"
    plain = ("pretrans", "pre", "post", "preun", "postun", "posttrans")
    spec += "".join(f"%{name}\nsaid {name}\n" for name in plain)
    spec += "%verifyscript -p <lua>\nsaid = 1\n"
    packages = ("triggerprein", "triggerin", "triggerun", "triggerpostun")
    spec += "".join(f"%{name} -- b > 1, c\nsaid {name}\n" for name in packages)
    files = [f"{scope}filetrigger{when}" for scope in ("", "trans") for when in ("in", "un", "postun")]
    spec += "".join(f"%{name} -P {number} -- /usr/{name}\nsaid {name}\n" for number, name in enumerate(files, 7))
    (tmp_path / "a.spec").write_text(spec)
    define = ["--define", f"_topdir {tmp_path}"]
    subprocess.run([need("rpmbuild"), "-bb", "--quiet", *define, tmp_path / "a.spec"], check=True)
    (file,) = tmp_path.rglob("*.rpm")
    with open(file, "rb") as stream:
        found = {str(one.kind): one for one in scriptlets(Package.read(stream).header)}
    assert set(found) == {f"%{name}" for name in (*plain, *packages, *files, "verifyscript")}
    for name in (*plain, *packages, *files):
        assert found[f"%{name}"].body.strip() == f"said {name}"
    for name in packages:
        assert [str(one) for one in found[f"%{name}"].conditions] == ["b > 1", "c"]
    for number, name in enumerate(files, 7):
        assert [one.name for one in found[f"%{name}"].conditions] == [f"/usr/{name}"]
        assert found[f"%{name}"].priority == number
    assert found["%verifyscript"].program == ("<lua>",)
