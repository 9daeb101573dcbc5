"""bootstrap.conf (docs/runtime-client.md): what it says is done, what it says wrongly is told with the line."""

from __future__ import annotations

import json

import pytest

from tests.client.running import Client
from tests.support.tools import need

_CAT = f"mode=per_event\nargument={need('cat')}\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("mode=worker\ncolour=red\nargument=/bin/cat\n", 2, id="unknown key"),
        pytest.param("\n# a comment\nmode=servant\nargument=/bin/cat\n", 3, id="unknown mode"),
        pytest.param("mode=worker\nargument=/bin/cat\njust text\n", 3, id="no equals sign"),
        pytest.param("mode=worker\nargument=bin/cat\n", 2, id="relative command"),
        pytest.param("mode=worker\nargument=\n", 2, id="empty command"),
        pytest.param("mode=worker\nargument=/bin/cat\nchannel=fifo\n", 3, id="unknown channel"),
        pytest.param("mode=worker\nargument=/bin/cat\ndeadline_margin=soon\n", 3, id="margin in letters"),
        pytest.param("mode=worker\nargument=/bin/cat\ndeadline_margin=-1\n", 3, id="negative margin"),
        pytest.param("mode=worker\nargument=/bin/cat\ndeadline_margin=99999999999999999999\n", 3, id="huge margin"),
        pytest.param("mode=worker\nargument=/bin/cat\ndeadline_margin=\n", 3, id="empty margin"),
        pytest.param("mode=worker\nargument=/bin/cat\nmax_workers=0\n", 3, id="no workers"),
        pytest.param("mode=worker\nargument=/bin/cat\nmax_workers=two\n", 3, id="workers in letters"),
        pytest.param("mode=worker\nargument=/bin/cat\nevents=words\n", 3, id="unknown events"),
        pytest.param("mode=worker\nargument=/bin/cat\nheader_block=4097\n", 3, id="huge header block"),
        pytest.param("mode=worker\nargument=/bin/cat\nheader_block=-1\n", 3, id="negative header block"),
        pytest.param("mode=worker\nargument=/bin/cat\nheader_block=\n", 3, id="empty header block"),
        pytest.param("mode=worker\nargument=/bin/cat\nshutdown=maybe\n", 3, id="unknown shutdown"),
        pytest.param("mode=worker\nargument=/bin/cat\nvariable=NAME\n", 3, id="variable without a value"),
        pytest.param("mode=worker\nargument=/bin/cat\nvariable==x\n", 3, id="variable without a name"),
        pytest.param("mode=worker\nargument=/bin/cat\ncontent_type=a\rX: y\n", 3, id="a header in the content type"),
        pytest.param("mode=worker\nargument=/bin/cat\nmode=command\n", 3, id="mode twice"),
        pytest.param("mode=worker\nargument=/bin/cat\n mode=worker\n", 3, id="a space before a key"),
        pytest.param("mode =worker\nargument=/bin/cat\n", 1, id="a space after a key"),
        pytest.param("mode=worker \nargument=/bin/cat\n", 1, id="a space after a value"),
        pytest.param("mode=worker\r\nargument=/bin/cat\r\n", 1, id="CR LF"),
        pytest.param("mode=worker\nargument=/bin/c\x00at\n", 2, id="a NUL"),
        pytest.param("mode=worker\nargument=/bin/cat\ndirectory=here\n", 3, id="relative directory"),
    ],
)
def test_a_wrong_line_is_named(client: Client, text: str, line: int) -> None:
    client.start_with(text.encode())
    assert client.wait() == 1
    client.told("bootstrap.conf", f"{line}")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        pytest.param(None, "bootstrap.conf", id="no file"),
        pytest.param(b"", "mode", id="an empty file"),
        pytest.param(b"# nothing\n\n", "mode", id="only comments"),
        pytest.param(b"argument=/bin/cat\n", "mode", id="no mode"),
        pytest.param(b"mode=worker\n", "argument", id="no command"),
        pytest.param(b"mode=worker\nargument=/bin/cat\n" + b"#" * 65_536, "65", id="too long"),
        pytest.param(b"\x7fELF" + bytes(range(256)), "bootstrap.conf", id="no text"),
    ],
)
def test_a_file_that_says_too_little_is_told(client: Client, data: bytes | None, word: str) -> None:
    client.start_with(data)
    assert client.wait() == 1
    client.told(word)


def test_no_report_goes_to_lambda_without_a_word_in_the_log(client: Client) -> None:
    """A wrong configuration is reported as a failed initialisation, so that the caller sees it too."""
    client.start_with(b"mode=nothing\n")
    assert client.wait() == 1
    client.told()
    for report in client.api.of_kind("init_error"):
        assert "bootstrap.conf" in report.json["errorMessage"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(_CAT, id="plain"),
        pytest.param(_CAT.rstrip("\n"), id="no newline at the end"),
        pytest.param(f"# first\n\n{_CAT}\n#=\n", id="comments and empty lines"),
        pytest.param("\n".join(reversed(_CAT.splitlines())), id="another order"),
        pytest.param(
            _CAT + "channel=pipes\nshutdown=none\ndeadline_margin=0\nmax_workers=3\nheader_block=0\nevents=bytes\n",
            id="defaults said",
        ),
        pytest.param(_CAT + "#" + "x" * (65_536 - len(_CAT) - 1), id="as long as it may be"),
    ],
)
def test_what_it_takes(client: Client, text: str) -> None:
    client.start_with(text.encode())
    assert client.serves(b"1").body == b"1"


def test_variables_are_set_where_the_environment_has_none(client: Client) -> None:
    client.environment["MINE"] = "of the environment"
    client.environment["EMPTY"] = ""
    show = client.program("import json; print(json.dumps(dict(os.environ)))")
    text = "mode=per_event\n" + "".join(f"argument={word}\n" for word in show)
    text += "variable=MINE=of the file\nvariable=EMPTY=full\nvariable=NEW=a=b c \nvariable=NOTHING=\n"
    client.start_with(text.encode())
    seen = json.loads(client.serves().body)
    assert seen["MINE"] == "of the environment"
    assert seen["EMPTY"] == ""
    assert seen["NEW"] == "a=b c "
    assert seen["NOTHING"] == ""


@pytest.mark.parametrize(
    ("argv", "set_to", "wanted"),
    [
        (["from.argument"], "-", "from.argument"),
        (["from.argument"], "from.environment", "from.environment"),
        ([], "from.environment", "from.environment"),
        (["from.argument", "another"], "-", "from.argument"),
    ],
)
def test_the_handler_is_the_first_argument_where_lambda_says_none(
    client: Client, argv: list[str], set_to: str, wanted: str
) -> None:
    client.environment["_HANDLER"] = set_to
    client.start(client.program("print(os.environ['_HANDLER'], end='')"), mode="per_event", argv=argv)
    assert client.serves().body.decode() == wanted


def test_outside_lambda_it_says_what_to_do(client: Client) -> None:
    client.environment["AWS_LAMBDA_RUNTIME_API"] = "-"
    client.start_with(_CAT.encode())
    assert client.wait() == 1
    client.told("imagekit invoke")


@pytest.mark.parametrize("address", ["", "nonsense", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:x", "300.0.0.1:9001"])
def test_an_address_that_is_none_is_told(client: Client, address: str) -> None:
    client.environment["AWS_LAMBDA_RUNTIME_API"] = address
    client.start_with(_CAT.encode())
    assert client.wait() == 1
    client.told()


@pytest.mark.real  # it tries for seconds, as it does where the API is gone
def test_nobody_at_the_address_ends_the_client(client: Client) -> None:
    client.environment["AWS_LAMBDA_RUNTIME_API"] = "127.0.0.1:1"
    client.start_with(_CAT.encode())
    assert client.wait() == 1
    client.told("127.0.0.1:1")


def test_localhost_is_known_without_a_resolver(client: Client) -> None:
    client.environment["AWS_LAMBDA_RUNTIME_API"] = client.api.address.replace("127.0.0.1", "localhost")
    client.api.names.add(client.environment["AWS_LAMBDA_RUNTIME_API"])
    client.start_with(_CAT.encode())
    client.serves()
