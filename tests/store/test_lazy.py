"""What is not needed is not imported: a start costs nothing for the network that it does not use."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("urllib3", "ssl", "http.client", "boto3", "botocore", "requests", "subprocess", "netrc", "random")
SCRIPT = """
import sys
from imagekit.oci.reference import Reference
from imagekit.store import access, auth, fetch, hosts, registry, transport
settings = hosts.Hosts().given(mirrors=["public.ecr.aws=127.0.0.1:5000"])
connection = access.Access(transport.Transport(settings))
registry.Registry(Reference.parse("registry.corp/app"), connection)
print(",".join(name for name in sys.argv[1:] if name in sys.modules))
"""


def test_a_registry_that_is_not_asked_imports_no_network():
    done = subprocess.run([sys.executable, "-c", SCRIPT, *HEAVY], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


REQUEST = """
import sys
from imagekit.store.transport import Request, Transport
from imagekit.store.url import Url
with Transport() as transport:
    print(transport.send(Request(method="GET", url=Url.parse(sys.argv[1]))).status)
import urllib3.http2.probe
print("importlib.metadata" in sys.modules, "encodings.idna" in sys.modules)
"""


def test_a_request_imports_nothing_for_http2_nor_for_names_beyond_ascii(server):
    done = subprocess.run(
        [sys.executable, "-c", REQUEST, f"http://{server.host}/v2/"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["200", "False", "False"]
