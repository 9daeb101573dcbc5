"""`mode=command`: the client becomes the command, which speaks the Runtime API itself."""

from __future__ import annotations

import os

from tests.client.running import Client
from tests.support.tools import need

#: What it was started with, as the report of a failed initialisation: any request would do.
_SPEAKS = """
import json, urllib.request
seen = {"argv": sys.argv[1:], "cwd": os.getcwd(), "pid": os.getpid(), "environment": dict(os.environ),
        "open": sorted(int(name) for name in os.listdir("/proc/self/fd"))}
url = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/init/error"
request = urllib.request.Request(url, json.dumps(seen).encode(), {"User-Agent": "imagekit/test"})
urllib.request.urlopen(request).close()
sys.exit(7)
"""


def test_the_client_becomes_the_command(client: Client) -> None:
    client.settings["directory"] = str(client.folder)
    command = [*client.program(_SPEAKS), "two words", "$HOME"]
    client.start([word for word in command if word not in ("-S", "-E")], mode="command", argv=["app.run"])
    assert client.wait() == 7
    seen = client.api.wait_for("init_error").json
    assert seen["argv"] == ["two words", "$HOME"]
    assert seen["cwd"] == str(client.folder)
    assert seen["environment"]["_HANDLER"] == "app.run"
    assert "IMAGEKIT_FDS" not in seen["environment"]
    # One more: the folder that is being listed.
    assert len(seen["open"]) == 4
    if not client.emulated:
        assert seen["pid"] == client.process.pid, "there is no shell in between and nobody waits"


def test_signals_are_as_the_command_expects_them(client: Client) -> None:
    """An ignored SIGPIPE or a blocked signal is inherited: programs would never know that they write to nobody."""
    client.start([need("grep"), "^Sig", "/proc/self/status"], mode="command")
    assert client.wait() == 0
    masks = dict(line.split(":\t") for line in client.out.splitlines() if not line.startswith("SigQ"))
    pipe = 1 << 12
    assert int(masks["SigBlk"], 16) == 0
    assert int(masks["SigIgn"], 16) & pipe == 0 or _ignored_here() & pipe


def test_a_command_that_is_not_there_is_told(client: Client) -> None:
    client.start(["/nothing/there"], mode="command")
    assert client.wait() != 0
    client.told("/nothing/there")


def _ignored_here() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        (line,) = (line for line in status if line.startswith("SigIgn"))
    assert os.getpid()
    return int(line.split()[1], 16)
