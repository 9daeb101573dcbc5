"""An interpreter out of packages, with its libraries and extensions, answers an event in the image."""

from __future__ import annotations

import pytest

from tests.support.packages.shop import Shop

pytestmark = pytest.mark.real

#: Takes ICU and SQLite, which come in packages of their own.
HANDLER = """<?php
function handle($event) {
    $spelled = (new NumberFormatter("de", NumberFormatter::SPELLOUT))->format($event["number"]);
    $rows = (new SQLite3(":memory:"))->querySingle("SELECT 6 * 7");
    return ["spelled" => $spelled, "rows" => $rows, "machine" => php_uname("m"), "version" => PHP_MAJOR_VERSION];
}
"""


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_php_out_of_packages_answers_an_event(shop: Shop, architecture: str) -> None:
    (shop.folder / "app.php").write_text(HANDLER)
    machine = {"x86_64": "x86_64", "arm64": "aarch64"}[architecture]
    expect = {"spelled": "zwei\u00adund\u00adzwanzig", "rows": 42, "machine": machine, "version": 8}
    shop.spec(
        language="php",
        bootstrap=None,
        handler="app.handle",
        packages=["edge-php"],
        files=[{"source": "app.php", "target": "/var/task/"}],
        tests=[{"name": "spells", "event": {"number": 22}, "expect": expect}],
    )
    shop.well("test", "--platform", architecture, "--timeout", "60", "--memory", "512")
