"""What a package repository names: never anything at another place, whatever it writes."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagekit.engines.native.repodata import Repodata
from imagekit.errors import RemoteFailed
from imagekit.oci.digest import Digest
from imagekit.packages import PackageRepository
from imagekit.rpm.repomd import Repomd

FOUND = Repodata(
    repository=PackageRepository(name="own"),
    url="https://cdn.example.com/core/guids/1/x86_64/",
    repomd=Repomd(revision="1", records=()),
    digest=Digest("0" * 64),
)


@pytest.mark.parametrize(
    ("href", "base", "url"),
    [
        ("Packages/j/jq.rpm", "", "https://cdn.example.com/core/guids/1/x86_64/Packages/j/jq.rpm"),
        ("../../../../blobs/1/jq.rpm", "", "https://cdn.example.com/blobs/1/jq.rpm"),
        ("/jq.rpm", "", "https://cdn.example.com/jq.rpm"),
        ("jq.rpm", "https://cdn.example.com/other/", "https://cdn.example.com/other/jq.rpm"),
        ("jq%20x.rpm?a=b", "", "https://cdn.example.com/core/guids/1/x86_64/jq%20x.rpm?a=b"),
    ],
)
def test_a_file_is_named_from_the_repository_s_folder(href, base, url):
    assert FOUND.href(href, base) == url


@pytest.mark.parametrize(
    ("href", "base"),
    [
        ("http://cdn.example.com/jq.rpm", ""),
        ("https://cdn.example.com:444/jq.rpm", ""),
        ("https://user@cdn.example.com/jq.rpm", ""),
        ("//evil.example/jq.rpm", ""),
        ("file:///etc/passwd", ""),
        ("data:,x", ""),
        ("jq.rpm", "https://evil.example/"),
        ("http://[/", ""),
        ("jq .rpm", ""),
        ("jq\n.rpm\x00", ""),
    ],
)
def test_another_place_is_refused(href, base):
    with pytest.raises(RemoteFailed, match="at another place"):
        FOUND.href(href, base)


@given(st.text(max_size=40), st.sampled_from(["", "x/", "https://evil.example/"]))
def test_no_text_leads_elsewhere(href, base):
    try:
        url = FOUND.href(href, base)
    except RemoteFailed:
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc) == ("https", "cdn.example.com")
    assert url.isprintable()
