"""Credentials in URLs are refused, and no text that is printed holds them."""

import pytest

from imagekit.spec.secret import has_credentials, redact

HEAD = "name: app\nlanguage: scripted\nos: linux1\nhandler: a.b\n"
SECRETS = [
    "https://bob:SECRET@example.com/a",
    "https://SECRET@example.com/a",
    "https://bob:SECRET:x@example.com:8080/a?b=c",
    "https://example.com/a?X-Amz-Signature=SECRET",
    "https://example.com/a?b=c&x-amz-credential=SECRET&d=e",
    "https://example.com/a?Signature=SECRET",
    "https://example.com/a?sv=1&sig=SECRET",
    "https://example.com/a?private_token=SECRET",
    "https://example.com/a?%73ig=SECRET",
    "https://example.com/{version}?token=SECRET",
]


@pytest.mark.parametrize("url", SECRETS)
def test_a_url_with_credentials_is_refused_and_not_shown(problems_of, url):
    text = f'{HEAD}version: 1\narchives: [{{source: "{url}", target: x, sha256: "{url}", bogus: 1}}]\n'
    findings = problems_of(text)
    assert "IK0109" in {finding.code for finding in findings}
    assert len(findings) == 4
    for finding in findings:
        assert "SECRET" not in f"{finding} {finding.hint} {finding.to_dict()}"
    assert str(findings[0].place) == "runtime.yaml:6:21"


@pytest.mark.parametrize(
    "source",
    [
        '"https://bob:\\\n  SECRET@example.com/a"',
        '"https://bob:\\x53ECRET@example.com/a"',
        '"https://bo\'b:SECRET@example.com/a"',
        '"https://bo b:SECRET@example.com/a"',
        '"https:\\x2f/bob:SECRET@example.com"',
    ],
)
def test_a_line_that_cannot_be_starred_out_is_not_shown(problems_of, source):
    findings = problems_of(f"{HEAD}archives:\n- {{source: {source}, target: /x}}\n")
    assert [finding.code for finding in findings] == ["IK0109"]
    assert "ECRET" not in f"{findings[0]} {findings[0].place!r}"


@pytest.mark.parametrize("line", ["base: 'bob:SECRET@corp/base'", "push: {to: ['https://bob:SECRET@corp/a']}"])
def test_credentials_in_references_are_not_shown(problems_of, line):
    (finding,) = problems_of(f"{HEAD}{line}\n")
    assert "SECRET" not in f"{finding} {finding.place!r}"


def test_an_override_with_credentials_is_not_shown(problems_of):
    archive = "archives: [{source: 'https://a/b', target: /a}]\n"
    (finding,) = problems_of(HEAD + archive, "archives.0.source=https://bob:SECRET@example.com/a")
    assert finding.code == "IK0109"
    assert "SECRET" not in f"{finding} {finding.place!r}"


def test_a_broken_line_with_credentials_is_not_shown(problems_of):
    (finding,) = problems_of(HEAD + "archives: [{source: https://bob:SECRET@h/a, target: 'x]\n")
    assert finding.code == "IK0002"
    assert "SECRET" not in f"{finding} {finding.place!r}"


@pytest.mark.parametrize(
    "url",
    [
        "https://registry.npmjs.org/@scope/a",
        "https://example.com/a?b=c@d",
        "https://example.com/a?design=1&signs=2&tokens=3",
        "http://example.com",
    ],
)
def test_an_ordinary_url_stays_as_it_is(url):
    assert not has_credentials(url)
    assert redact(url) == url


def test_stars_keep_columns():
    line = "a: https://bob:pw@h/x?sig=12&b=1 # c"
    assert redact(line) == "a: https://******@h/x?sig=**&b=1 # c"
    assert redact("corp/a:1@sha256:" + "0" * 64) == "corp/a:1@sha256:" + "0" * 64
