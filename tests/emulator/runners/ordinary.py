"""What an ordinary user's sandboxes do; a program that runs as that user (a runner, the image's tar, a folder)."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from imagekit.emulator import runners
from imagekit.emulator.ports import Confines, Network, RootFilesystem
from imagekit.emulator.runners import emulated
from imagekit.emulator.runners.means import Means
from imagekit.oci.config import Config
from imagekit.oci.digest import Digest
from imagekit.oci.platform import Platform
from imagekit.rootfs.unpack import Layer, remove, unpacked
from tests.emulator.runners.running import Opened


def main(name: str, tar: str, folder: str) -> None:
    """Print what was seen as JSON."""
    data = Path(tar).read_bytes()

    @contextlib.contextmanager
    def opener() -> Iterator[Iterator[bytes]]:
        yield iter([data])

    native = emulated.native()
    config = Config(platform=Platform(os="linux", architecture=native.oci), diff_ids=(Digest.of(data),))
    place = unpacked(f"{folder}/cache", [Layer(opener=opener, diff_id=config.diff_ids[0])], "probe:1")
    image = RootFilesystem(reference="probe:ordinary", architecture=native, config=config, folder=place)
    runner = runners.runner(name, Means(environment=dict(os.environ), folder=folder))
    missing = runner.missing(native)
    seen: dict[str, object] = {"missing": missing.message if missing else "", "user": os.geteuid()}
    if not missing:
        sandbox = Opened(runner.open(image, Confines(memory=400, temporary=50, network=Network.HOST)))
        seen |= {"keeps": sandbox.sandbox.keeps_memory, **_tried(sandbox)}
        sandbox.close()
        alone = Opened(runner.open(image, Confines(network=Network.NONE)))
        listener, address = alone.sandbox.listen()
        with listener:
            seen["connects"] = alone.says("connect", address.partition(":")[2])
        alone.close()
    remove(place)
    seen["left"] = os.path.exists(place)
    json.dump(seen, sys.stdout)


def _tried(sandbox: Opened) -> dict[str, object]:
    seen: dict[str, object] = {
        "id": sandbox.says("id"),
        "private": sandbox.says("read", "/var/task/private"),
        "root": sandbox.says("write", "/x"),
        "tmp": sandbox.says("fill", "/tmp/x", "100"),
    }
    crowd = sandbox.start("forks", "1500")
    seen["forks"] = int(crowd.line())
    crowd.process.kill()
    seen["killed"] = crowd.process.wait(20)
    polite, daemon = sandbox.start("wait"), sandbox.start("daemon")
    seen["lines"] = bool(polite.line() and daemon.line())
    polite.process.terminate()
    seen["terminated"] = polite.process.wait(10)
    daemon.process.kill()
    seen["daemon"] = [daemon.process.wait(10), daemon.all()]
    hungry = sandbox.start("eat", "1000")
    seen["hungry"] = hungry.process.wait(30)
    return seen


if __name__ == "__main__":
    main(*sys.argv[1:])
