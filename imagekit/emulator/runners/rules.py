"""Lambda's rules that every runner keeps, in numbers."""

from __future__ import annotations

from typing import Final

#: Who a function runs as; what is seen on Lambda is `sbx_user1051`.
USER: Final = 993
GROUP: Final = 990
HOST: Final = "sandbox"
#: Open files of a process, and processes and threads of an environment (Lambda quotas).
OPEN_FILES: Final = 1024
PROCESSES: Final = 1024
#: The names by which extensions call themselves (Telemetry API, "destination").
HOSTS: Final = f"127.0.0.1 localhost {HOST} {HOST}.localdomain\n".encode()
MIB: Final = 1 << 20
