"""What became of a test of the spec."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from imagekit.values import dataclass

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """One test on one architecture. `problems` is empty when it passed; `seconds` is how long the event took.

    `log` is what the function wrote meanwhile; `diff` shows the answer beside the expected one.
    """

    name: str
    architecture: str
    seconds: float
    problems: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()
    log: str = ""

    @property
    def passed(self) -> bool:
        """Whether the answer was the expected one."""
        return not self.problems


def junit(suite: str, verdicts: Iterable[Verdict]) -> bytes:
    """The verdicts as a JUnit report: a suite an architecture, as CI systems read it."""
    from xml.etree import ElementTree as Xml

    root = Xml.Element("testsuites", name=suite)
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault(verdict.architecture, []).append(verdict)
    for architecture, group in groups.items():
        facts = {
            "name": f"{suite} {architecture}",
            "tests": str(len(group)),
            "failures": str(sum(not verdict.passed for verdict in group)),
            "errors": "0",
            "time": f"{sum(verdict.seconds for verdict in group):.3f}",
        }
        element = Xml.SubElement(root, "testsuite", facts)
        for verdict in group:
            _add(element, f"{suite}.{architecture}", verdict)
    return bytes(Xml.tostring(root, encoding="utf-8", xml_declaration=True))


def _add(suite: Element, group: str, verdict: Verdict) -> None:
    from xml.etree import ElementTree as Xml

    case = Xml.SubElement(suite, "testcase", classname=group, name=verdict.name, time=f"{verdict.seconds:.3f}")
    if not verdict.passed:
        failure = Xml.SubElement(case, "failure", message=_text(verdict.problems[0]))
        failure.text = _text("\n".join((*verdict.problems, *verdict.diff)))
    if verdict.log:
        Xml.SubElement(case, "system-err").text = _text(verdict.log)


def _text(text: str) -> str:
    """Without the characters that XML 1.0 (section 2.2) has no place for."""
    return "".join(
        char if char in "\t\n\r" or " " <= char <= "\ud7ff" or char > "\udfff" else "\ufffd" for char in text
    )
