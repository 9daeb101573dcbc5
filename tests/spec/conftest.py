"""What the tests of specs share: a disk in memory, two languages, two systems."""

from collections.abc import Callable

import pytest

from imagekit.errors import InvalidSpec
from imagekit.findings import Finding
from imagekit.spec.known import Known, LanguageWords
from imagekit.spec.load import load
from imagekit.spec.model import Spec

KNOWN = Known(
    languages={
        "scripted": LanguageWords(words=("tool_arch",)),
        "compiled": LanguageWords(handler=True, build=True),
        "bare": LanguageWords(bootstrap=False, version=True),
    },
    systems=("linux1", "linux2"),
)


@pytest.fixture
def known() -> Known:
    return KNOWN


@pytest.fixture
def read_all() -> Callable[..., tuple[Spec, tuple[Finding, ...]]]:
    """Load `runtime.yaml` out of texts by name; `cwd` goes to `load`."""

    def reading(texts: str | dict[str, str], *overrides: str, cwd="/home/app"):
        files = {"runtime.yaml": texts} if isinstance(texts, str) else texts

        def read(path: str) -> bytes:
            if path not in files:
                raise FileNotFoundError(2, "No such file or directory")
            return files[path].encode()

        return load("runtime.yaml", read, KNOWN, overrides, cwd)

    return reading


@pytest.fixture
def spec_of(read_all) -> Callable[..., Spec]:
    """The spec of a text, without its warnings."""
    return lambda *arguments, **options: read_all(*arguments, **options)[0]


@pytest.fixture
def problems_of(read_all) -> Callable[..., tuple[Finding, ...]]:
    """The findings that a text is refused with."""

    def refused(*arguments, **options) -> tuple[Finding, ...]:
        with pytest.raises(InvalidSpec) as caught:
            read_all(*arguments, **options)
        return caught.value.findings

    return refused
