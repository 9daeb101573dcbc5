"""The scriptlet ledger: what is known of scripts that nobody runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.engines.native.accounts import Group, Membership, User
from imagekit.engines.native.ledger import Refused, Verdict, judge
from imagekit.engines.native.ledger.effects import (
    AddAccount,
    Alternative,
    LinkerCache,
    MakeDirectory,
    MakeFile,
    MakeLink,
    NoAlternative,
    SetMode,
    SetOwner,
    Trust,
)
from imagekit.engines.native.ledger.situation import Situation
from imagekit.rootfs.entry import Kind

#: What is in the image that the scripts are judged for.
IMAGE = {
    "/usr/lib/systemd/systemd-update-helper": Kind.FILE,
    "/usr/lib/systemd/systemd-sysctl": Kind.FILE,
    "/sbin/ldconfig": Kind.FILE,
    "/usr/bin/update-mime-database": Kind.FILE,
    "/usr/share": Kind.DIRECTORY,
    "/usr/share/zoneinfo": Kind.DIRECTORY,
    "/usr/share/zoneinfo/UTC": Kind.FILE,
    "/etc/ssl/certs": Kind.SYMLINK,
}
WORDS = [
    *[
        "if",
        "then",
        "else",
        "fi",
        "for",
        "i",
        "in",
        "do",
        "done",
        "case",
        "esac",
        "{",
        "}",
        "(",
        ")",
        ";",
        "&&",
        "||",
        "|",
        "!",
        "[",
        "]",
        "$1",
        "-eq",
        "1",
        "x=",
        "ldconfig",
        "exit",
        "touch",
        "/a",
    ],
    *("<<E", "\nE\n", "\n", "`", "$(", '"', "'"),
]
HEADING = re.compile(r"=== (\S+) (%\w+) (\d) (.+?) => (.+)\n")


@dataclass(frozen=True)
class Known:
    """A scriptlet of the collection, and what is expected of it."""

    name: str
    argument: str
    program: str
    body: str
    expected: str


def collection() -> list[Known]:
    text = (Path(__file__).parent / "scriptlets.txt").read_text()
    headings = list(HEADING.finditer(text))
    ends = [*(found.start() for found in headings[1:]), len(text)]
    return [
        Known(f"{found[1]} {found[2]}", found[3], found[4], text[found.end() : end], found[5])
        for found, end in zip(headings, ends, strict=True)
    ]


def situation(argument: str = "1", **image: Kind) -> Situation:
    there = IMAGE | image
    return Situation(
        arguments=(argument,), kind=there.get, names=lambda: there, has_user={"root", "nobody"}.__contains__
    )


def judged(body: str, argument: str = "1") -> Verdict:
    return judge(("/bin/sh",), body, situation(argument))


def effects(body: str, argument: str = "1") -> tuple[object, ...]:
    return judged(body, argument).effects


def refused(body: str) -> str:
    with pytest.raises(Refused) as error:
        judged(body)
    return error.value.reason


def test_the_collection_is_large():
    assert len(collection()) >= 100
    assert sum(known.expected.startswith("refused") for known in collection()) >= 25


@pytest.mark.parametrize("known", collection(), ids=lambda known: known.name)
def test_each_known_scriptlet_is_classed_or_refused(known: Known):
    at = situation(known.argument)
    program = tuple(known.program.split(" "))
    if known.expected.startswith("refused: "):
        with pytest.raises(Refused) as error:
            judge(program, known.body, at)
        assert known.expected.removeprefix("refused: ") in error.value.reason
    else:
        labels = judge(program, known.body, at).labels
        assert set(" ".join(labels).split()) == set(known.expected.split())


def test_accounts_are_those_that_the_script_makes():
    script = """
getent group apache >/dev/null || groupadd -g 48 -r apache
getent passwd apache >/dev/null || useradd -r -u 48 -g apache -s /sbin/nologin -d /usr/share/httpd -c "Apache" apache
usermod -a -G root apache
gpasswd -a apache nobody
"""
    user = User(name="apache", uid=48, group="apache", gecos="Apache", home="/usr/share/httpd")
    assert effects(script) == (
        AddAccount(account=Group(name="apache", gid=48)),
        AddAccount(account=user),
        AddAccount(account=Membership(user="apache", group="root")),
        AddAccount(account=Membership(user="apache", group="nobody")),
    )


def test_an_account_that_is_there_is_not_made():
    assert effects("getent passwd nobody || useradd -r nobody\nid -u root || useradd -r root") == ()


def test_accounts_out_of_a_text_in_the_script():
    script = "systemd-sysusers - <<EOF\ng render 104\nu oom - 'OOM Killer'\nEOF\n"
    assert effects(script) == (
        AddAccount(account=Group(name="render", gid=104)),
        AddAccount(account=User(name="oom", gecos="OOM Killer")),
    )


def test_alternatives_with_all_that_follows_them():
    script = """
PREFIX=/usr/lib/jvm/java-17
alternatives --install /usr/bin/java java "$PREFIX"/bin/java 1700 --family java-17 \\
    --slave /usr/bin/keytool keytool ${PREFIX}/bin/keytool
[ $1 -eq 1 ] && alternatives --remove java /usr/lib/jvm/java-11/bin/java
"""
    assert effects(script) == (
        Alternative(
            link="/usr/bin/java",
            name="java",
            path="/usr/lib/jvm/java-17/bin/java",
            priority=1700,
            family="java-17",
            followers=(("/usr/bin/keytool", "keytool", "/usr/lib/jvm/java-17/bin/keytool"),),
        ),
        NoAlternative(name="java", path="/usr/lib/jvm/java-11/bin/java"),
    )


def test_files_that_the_script_makes():
    script = """
mkdir -p -m 0700 /var/lib/thing
install -d -m 755 -o thing -g root /var/lib/thing/spool
touch /var/log/thing.log
ln -sf ../log/thing.log /var/lib/thing/log
ln -s /usr/share/zoneinfo/UTC /usr/share
chmod 640 /var/log/thing.log
chown thing: /var/log/thing.log
mkdir -p /run/thing /tmp/thing
"""
    assert effects(script) == (
        MakeDirectory(path="/var/lib/thing", mode=0o700),
        MakeDirectory(path="/var/lib/thing/spool", mode=0o755),
        SetOwner(path="/var/lib/thing/spool", user="thing", group="root"),
        MakeFile(path="/var/log/thing.log"),
        MakeLink(path="/var/lib/thing/log", target="../log/thing.log", replaces=True),
        MakeLink(path="/usr/share/UTC", target="/usr/share/zoneinfo/UTC"),
        SetMode(path="/var/log/thing.log", mode=0o640),
        SetOwner(path="/var/log/thing.log", user="thing"),
    )


def test_ldconfig_and_the_certificates():
    assert effects("ldconfig; ldconfig; update-ca-trust extract") == (LinkerCache(), Trust())
    assert judge(("/sbin/ldconfig",), "", situation()).effects == (LinkerCache(),)


def test_directories_and_links_are_made_where_there_is_nothing():
    body = (
        'posix.mkdir("/usr")\nposix.mkdir("/usr/new/")\nposix.symlink("usr/bin", "/bin")\nposix.symlink("new", "/n")\n'
    )
    found = judge(("<lua>",), body + "return 0\n", situation(**{"/usr": Kind.DIRECTORY, "/bin": Kind.SYMLINK}))
    assert found.effects == (MakeDirectory(path="/usr/new"), MakeLink(path="/n", target="new"))
    away = 'st = posix.stat("/media")\nif st and st.type == "link" then\n os.remove("/media")\nend\n'
    with pytest.raises(Refused, match="takes /media of the image away"):
        judge(("<lua>",), away, situation(**{"/media": Kind.SYMLINK}))


@pytest.mark.parametrize(
    ("script", "reached"),
    [
        ("[ $1 -eq 1 ] && touch /a", True),
        ("[ $1 -gt 1 ] && touch /a", False),
        ('if [ "$1" = "0" ]; then :; elif test $1 -le 2; then touch /a; fi', True),
        ("[[ $1 == 1 ]] && touch /a", True),
        ("[ ! -e /usr/share/zoneinfo ] && touch /a", False),
        ("[ -d /usr/share -a -f /usr/share/zoneinfo/UTC ] && touch /a", True),
        ("[ -e /nowhere -o -d /usr/share ] && touch /a", True),
        ("[ -L /etc/ssl/certs ] || touch /a", False),
        ("false || ! false && touch /a", True),
        ("case $1 in [01]) touch /a;; esac", True),
        ("X=; [ -z $X ] && touch /a", True),
        ("which ldconfig && touch /a", True),
        ("command -v nowhere || touch /a", True),
        ("( exit 1 ); touch /a", True),
        ("exit 0; touch /a", False),
        ("for i in 1 2; do [ $i -eq 2 ] && touch /a; done", True),
        ("ls /usr/share/zone* >/dev/null; touch /a", True),
    ],
)
def test_conditions_that_can_be_known_decide(script, reached):
    there = situation(**{"/usr/sbin/ldconfig": Kind.FILE})
    assert judge(("/bin/sh",), script, there).effects == ((MakeFile(path="/a"),) if reached else ())


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("exit 1", "it ends"),
        ("exit 0", ""),
        ("exit 256", ""),
        ("false; exit", "it ends"),
        ("false; true", ""),
        ("false", "it ends"),
        ("! false", ""),
        ("(exit 3)", "it ends"),
        ("f() { return 1; }; f; true", ""),
        ("f() { exit 1; }; f; true", "it ends"),
        ("f() { return 1; }; f || exit 4", "it ends"),
        ("exit 1 | true", ""),
        ("x=$(exit 1); true", ""),
        ("grep -q x /etc/y", ""),
        ("grep -q x /etc/y || exit 1", "whether it ends"),
        ("grep -q x /etc/y && exit 0; exit 1", "whether it ends"),
        ("if grep -q x /etc/y; then exit 1; fi", "whether it ends"),
        ("set -e; false; true", "it ends"),
        ("set -eu; false || true; if false; then :; fi; ! true; true", ""),
        ("set -o errexit; true | false; true", "it ends"),
        ("set -e; set +e; false; true", ""),
        ("set -e; f() { false; true; }; f", "it ends"),
    ],
)
def test_how_a_script_ends_is_known(script, failure):
    assert judged(script).failure.startswith(failure)
    assert bool(judged(script).failure) is bool(failure)


def test_hostile_words_take_no_time():
    for script in ("echo " + "{," * 20_000, "echo " + "[" * 200_000, "[ " + "9" * 5000 + " -eq 1 ]", "[ --1 -eq 1 ]"):
        assert judged(script + "; true").effects == ()


def test_how_other_programs_end_is_known():
    assert judge(("/bin/false",), "", situation()).failure
    assert judge(("/bin/sh", "-e"), "false; true", situation()).failure
    assert not judge(("/bin/sh",), "false; true", situation()).failure


@pytest.mark.parametrize("script", ["x=$(exit 0)", "exit 0 | true", "f() { return 0; }; f"])
def test_what_ends_another_shell_or_a_function_ends_no_script(script):
    assert "strange" in refused(f"{script}; /usr/bin/strange")


def test_what_depends_on_the_unknown_is_not_done_by_halves():
    assert "whether touch is reached" in refused("grep -q x /etc/y && touch /a")
    assert "whether mkdir is reached" in refused("grep -q x /etc/y && exit 0\nmkdir /a")
    assert "whether touch is reached" in refused("case `uname -m` in x) touch /a;; esac")
    assert "whether touch is reached" in refused("while grep -q x /etc/y; do touch /a; done")
    assert effects("grep -q ^x /etc/passwd || useradd -r x") == (AddAccount(account=User(name="x", home="/home/x")),)
    assert effects("grep -q x /etc/y && ldconfig") == (LinkerCache(),)


def test_both_ways_of_an_unknown_condition_are_looked_at():
    assert "strange" in refused("if grep -q x /etc/y; then :; else /usr/bin/strange; fi")
    assert "strange" in refused("grep -q x /etc/y || /usr/bin/strange")


@pytest.mark.parametrize(
    "script",
    [
        "f() { f; f; }; f",
        "while true; do ldconfig; done; /usr/bin/strange",
        "$(" * 50,
        "(" * 200 + "true" + ")" * 200,
        "if " * 100,
        "x" * (1 << 19),
        "for i in " + "1 " * 3000 + "; do for j in " + "1 " * 3000 + "; do true; done; done",
        "a=x; for i in " + "1 " * 34 + "; do a=$a$a; done",
        "a=" + "x" * 60_000 + "; echo " + "$a" * 60_000,
        "a='" + "x " * 30_000 + "'; echo " + "$a " * 20_000,
        "mkdir " + "/a " * 100_000,
        "[ " + "a -o " * 3000 + "a ]",
        "[ " + "! " * 3000 + "a ]",
        "for i in " + "/usr/*a*a*a*b " * 2000 + "; do /usr/bin/true; done",
        "for i in " + "1 " * 2000 + "; do [ -e /usr/*a*b ]; done",
        "for i in " + "1 " * 2000 + "; do echo " + "$(echo) " * 2000 + "; done",
        "useradd -u " + "9" * 5000 + " x",
        "alternatives --install /a a /b " + "9" * 5000,
        'echo "open',
        "cat <<EOF\nno end",
        "echo `open",
        "case x in",
        "for",
        "a | | b",
        "&&",
        "echo >",
    ],
)
def test_hostile_scripts_are_refused_in_no_time(script):
    with pytest.raises(Refused):
        judged(script)


@given(st.text(alphabet="ab1/ \n\t;&|()<>'\"\\$`{}[]#!=-*?~", max_size=80))
def test_any_text_is_judged_or_refused(script):
    try:
        judged(script)
    except Refused:
        return


@given(st.lists(st.sampled_from(WORDS), max_size=30))
def test_any_sequence_of_words_is_judged_or_refused(words):
    try:
        judged(" ".join(words))
    except Refused:
        return
