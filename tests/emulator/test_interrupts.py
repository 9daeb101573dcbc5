"""Ctrl-C: whatever is under way is ended, and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.support.commands import CHECKOUT

PROGRAM = """
    import os, sys, time
    from pathlib import Path
    from imagekit.emulator.invocation import Event
    from imagekit.emulator.service import Lambda
    from imagekit.emulator.settings import Settings, World
    from tests.emulator.unconfined import PYTHON, Unconfined, image

    folder = Path(sys.argv[1])
    (folder / "runtime.py").write_text("note(os.getpid()); HOW")
    command = (*PYTHON, "tests/emulator/raw.py", str(folder / "runtime.py"))
    root = image(*command, folder=folder, directory=os.getcwd())
    world = World(now=time.time, random=os.urandom)
    with Lambda(Settings(timeout=600, init_timeout=600), Unconfined(folder), root, world) as function:
        function.invoke(Event(payload=b"{}"))
"""


@pytest.mark.parametrize(
    "how", ["time.sleep(600)", "take(); time.sleep(600)", "signal.signal(2, 1); take(); time.sleep(600)"]
)
def test_ctrl_c_ends_everything(tmp_path: Path, how: str) -> None:
    text = textwrap.dedent(PROGRAM).replace("HOW", how)
    process = subprocess.Popen(
        [sys.executable, "-c", text, str(tmp_path)], cwd=CHECKOUT, stderr=subprocess.PIPE, start_new_session=True
    )
    notes = tmp_path / "notes"
    end = time.monotonic() + 20
    while not notes.exists() or not notes.read_text().endswith("\n"):
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert b"KeyboardInterrupt" in said
    assert not os.path.exists(f"/proc/{notes.read_text().split()[0]}")
