import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagekit.errors import InvalidFile
from imagekit.oci.digest import Digest
from imagekit.oci.reference import Reference
from tests.oci.strategies import digests

DIGEST = "sha256:" + "ab" * 32

_parts = st.from_regex(r"[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}", fullmatch=True)
_registries = st.sampled_from(
    ["docker.io", "public.ecr.aws", "localhost", "localhost:5000", "127.0.0.1:80", "[::1]:5000", "Host.corp"]
)
references = st.builds(
    lambda registry, parts, tag, digest: Reference.parse(
        f"{registry}/{'/'.join(parts)}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    ),
    _registries,
    st.lists(_parts, min_size=1, max_size=4),
    st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True),
    st.none() | digests,
)


@given(references)
def test_a_reference_survives_its_text(reference):
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "whole", "selector"),
    [
        ("alpine", "docker.io/library/alpine", "latest"),
        ("alpine:3", "docker.io/library/alpine:3", "3"),
        ("bref/php-84:3", "docker.io/bref/php-84:3", "3"),
        ("docker.io/alpine", "docker.io/library/alpine", "latest"),
        ("public.ecr.aws/lambda/provided:al2023", "public.ecr.aws/lambda/provided:al2023", "al2023"),
        ("localhost/app", "localhost/app", "latest"),
        ("localhost:5000/app", "localhost:5000/app", "latest"),
        ("[::1]:5000/team/app:1", "[::1]:5000/team/app:1", "1"),
        (f"corp.io/app@{DIGEST}", f"corp.io/app@{DIGEST}", DIGEST),
        (f"corp.io/app:1@{DIGEST}", f"corp.io/app:1@{DIGEST}", DIGEST),
        ("a.b/c__d/e-f---g", "a.b/c__d/e-f---g", "latest"),
    ],
)
def test_what_people_write(text, whole, selector):
    reference = Reference.parse(text)
    assert (str(reference), reference.selector) == (whole, selector)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "/", "@", "app:", "app@", "app:-x", "app:a b", "App", "corp.io/App", "corp.io/", "/app", "app/"),
        *("corp.io//app", "corp.io/a..b", "corp.io/a___b", "corp.io/-a", "corp.io/a-", "corp.io/../etc", "a.b/c\n"),
        *("https://corp.io/app", "user@corp.io/app", "corp.io:port/app", "corp.io:123456/app", "corp.io/app:1:2"),
        *(f"app@{DIGEST}x", f"app@{DIGEST.upper()}", "app@sha512:00", "corp.io/" + "a" * 256, "app:" + "t" * 129),
        *("corp.io/app?x=1", "corp.io/app#x", "corp.io/%61pp", "corp..io/app", "-corp.io/app", "corp.io/\u0430pp"),
    ],
)
def test_what_is_no_reference_is_refused_with_the_form(text):
    with pytest.raises(InvalidFile, match="not an image reference") as caught:
        Reference.parse(text)
    assert "registry/repository" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        *(
            "user:hunter2@corp.io/app:1",
            "hunter2@corp.io/app",
            "https://user:hunter2@corp.io/app",
            "user:hunter2@corp.io",
        ),
        *("user:a@hunter2@corp.io/app", f"user:hunter2@corp.io/app@{DIGEST}", "user:hunter2/b@corp.io/app", "hunter2@"),
        *("user:hunter2@sha256:5000/app", "corp.io/user:hunter2@corp.io/app"),
    ],
)
def test_user_info_is_refused_and_never_shown(text):
    with pytest.raises(InvalidFile, match="not an image reference: '…@") as caught:
        Reference.parse(text)
    assert "hunter2" not in caught.value.message + caught.value.hint
    assert "docker login" in caught.value.hint


@pytest.mark.parametrize("text", ["127.0.0.1:99999/x", "corp.io:65536/x", "[::1]:0/x", "localhost:00000/x"])
def test_a_port_that_there_cannot_be_is_refused(text):
    with pytest.raises(InvalidFile, match="there is no port"):
        Reference.parse(text)
    assert Reference.parse("corp.io:65535/x").registry == "corp.io:65535"


@given(st.text() | st.from_regex(r"[a-z.:/@\[\]-]{0,40}"))
@example("a/" * 5000)
@example("a-" * 5000)
@example("[" + ":" * 5000)
def test_any_text_is_a_reference_or_refused(text):
    try:
        reference = Reference.parse(text)
    except InvalidFile as error:
        assert len(error.message) < 1500  # noqa: PT017 - both ways are right
    else:
        assert Reference.parse(str(reference)) == reference


def test_a_reference_moves_between_tags_and_digests():
    reference = Reference.parse("corp.io/app:1")
    digest = Digest.parse(DIGEST)
    assert str(reference.at(digest)) == f"corp.io/app@{DIGEST}"
    assert str(reference.at(digest).tagged("2-arm64")) == "corp.io/app:2-arm64"
    assert reference.name == "corp.io/app"


@pytest.mark.parametrize("tag", ["", "-a", ".a", "a b", "a/b", "a:b", "t" * 129])
def test_a_wrong_tag_is_refused(tag):
    with pytest.raises(InvalidFile):
        Reference.parse("corp.io/app").tagged(tag)
