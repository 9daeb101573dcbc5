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
