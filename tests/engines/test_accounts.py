"""Users and groups that packages ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.engines.native.accounts import (
    GROUP,
    GSHADOW,
    PASSWD,
    SHADOW,
    Account,
    Accounts,
    Group,
    Membership,
    User,
    from_sysusers,
)
from imagekit.errors import BuildFailed

BASE = {
    PASSWD: b"root:x:0:0:root:/root:/bin/bash\nbin:x:1:1:bin:/bin:/sbin/nologin\n",
    GROUP: b"root:x:0:\nbin:x:1:daemon\ntty:x:5:\n",
    SHADOW: b"root:*LOCK*:14600::::::\n",
    GSHADOW: b"root:::\ntty:!::\n",
}


def after(*accounts: Account, base: dict[str, bytes] | None = None) -> dict[str, str]:
    found = Accounts(BASE if base is None else base)
    for account in accounts:
        found.add(account)
    return {path: data.decode() for path, data in found.changed().items()}


def asked(text: str) -> list[Account]:
    return list(from_sysusers(text.encode(), "httpd.conf"))


def test_what_is_asked_for_is_read_as_systemd_reads_it():
    assert asked('# a comment\n\nu apache 48 "Apache HTTP Server" /usr/share/httpd\n') == [
        User(name="apache", uid=48, gecos="Apache HTTP Server", home="/usr/share/httpd")
    ]
    assert asked("u! php - - - /bin/bash") == [User(name="php", shell="/bin/bash")]
    assert asked("u nobody 65534:65533 -") == [User(name="nobody", uid=65534, group="65533")]
    assert asked("u x -:games") == [User(name="x", group="games")]
    assert asked("g render -\ng input 104") == [Group(name="render"), Group(name="input", gid=104)]
    assert asked("m tss root\nr - 500-900") == [Membership(user="tss", group="root")]


@pytest.mark.parametrize("line", ["z what is this", "u", "u 'open"])
def test_a_line_that_is_none_is_refused(line):
    with pytest.raises(BuildFailed, match="no line of sysusers"):
        asked(line)


def test_a_new_user_has_a_group_of_its_name_and_number_and_a_locked_password():
    found = after(User(name="apache", uid=48, gecos="Apache", home="/usr/share/httpd"))
    assert found[PASSWD].endswith("apache:x:48:48:Apache:/usr/share/httpd:/sbin/nologin\n")
    assert found[GROUP].endswith("apache:x:48:\n")
    assert found[SHADOW].endswith("apache:!*:::::::\n")
    assert found[GSHADOW].endswith("apache:!*::\n")
    assert all(found[path].encode().startswith(BASE[path]) for path in found)


def test_numbers_that_nobody_gave_go_down_from_999_and_pass_over_what_is_taken():
    found = after(User(name="a"), Group(name="g"), User(name="b"), User(name="c", uid=0))
    assert [line.split(":")[2:4] for line in found[PASSWD].splitlines()[2:]] == [
        ["999", "999"],
        ["997", "997"],
        ["998", "996"],
    ]
    assert "g:x:998:" in found[GROUP]


def test_what_is_there_stays_as_it_is():
    assert after(User(name="bin", uid=7), Group(name="tty", gid=9)) == {}
    assert after() == {}


def test_members_are_added_once_to_both_files():
    found = after(Membership(user="bin", group="tty"), Membership(user="bin", group="tty"))
    assert found[GROUP] == "root:x:0:\nbin:x:1:daemon\ntty:x:5:bin\n"
    assert found[GSHADOW] == "root:::\ntty:!::bin\n"
    found = after(User(name="x", groups=("bin",)))
    assert "bin:x:1:daemon,x" in found[GROUP]


def test_a_group_by_name_that_is_new_is_made():
    found = after(User(name="x", uid=77, group="crew"))
    assert "crew:x:77:" in found[GROUP]
    assert "x:x:77:77:" in found[PASSWD]


def test_an_image_without_account_files_gets_those_that_are_needed():
    assert after(User(name="x", uid=7), base={}) == {
        PASSWD: "x:x:7:7::/:/sbin/nologin\n",
        GROUP: "x:x:7:\n",
    }


def test_bytes_that_are_no_text_survive():
    odd = {PASSWD: b"caf\xe9:x:7:7::/:/bin/sh\n"}
    accounts = Accounts(odd)
    accounts.add(Group(name="g"))
    accounts.add(User(name="x"))
    assert accounts.changed()[PASSWD].startswith(odd[PASSWD])


@pytest.mark.parametrize(
    "account",
    [
        User(name="a:b"),
        User(name="../x"),
        User(name=""),
        User(name="x", gecos="a\nroot::0:0"),
        User(name="x", home="/a:b"),
        User(name="x", shell="\n"),
        Group(name="a,b"),
        Group(name="g", gid=1 << 32),
        User(name="x", groups=("nowhere",)),
    ],
)
def test_what_could_write_another_line_is_refused(account):
    with pytest.raises(BuildFailed):
        after(account)


def test_there_is_an_end_to_the_numbers():
    with pytest.raises(BuildFailed, match="no number from 201 to 999 is free"):
        after(*(Group(name=f"g{number}") for number in range(800)))


def test_the_names_numbers_are_known():
    accounts = Accounts(BASE)
    accounts.add(User(name="apache", uid=48))
    assert (accounts.uid("apache"), accounts.gid("apache"), accounts.uid("root"), accounts.gid("tty")) == (48, 48, 0, 5)
    assert accounts.uid("nobody") is None


@given(st.text(max_size=60))
def test_no_line_of_a_package_does_anything_but_be_read_or_refused(line):
    try:
        accounts = Accounts(BASE)
        for account in from_sysusers(line.encode("utf-8", "replace"), "x.conf"):
            accounts.add(account)
    except BuildFailed:
        return
    for path, data in accounts.changed().items():
        assert all(len(row.split(b":")) == {PASSWD: 7, SHADOW: 9}.get(path, 4) for row in data.splitlines())
