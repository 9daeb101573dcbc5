"""Files by URL: checked, kept in the cache, told apart when they are wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from imagekit.errors import InvalidFile, RemoteFailed, WrongChecksum
from imagekit.oci.digest import Digest
from imagekit.store.auth import Keyring
from imagekit.store.cache import DiskCache
from imagekit.store.fetch import Downloads
from imagekit.store.hosts import Host, Hosts
from imagekit.store.retry import Retry
from imagekit.store.transport import Transport
from tests.support import faults
from tests.support.clock import Clock
from tests.support.registry import Registry as Server

DATA = b"archive " * 100_000
DIGEST = Digest.of(DATA)


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "cache", now=lambda: 1_700_000_000.0)


@pytest.fixture
def fetcher(cache: DiskCache, retry: Retry):
    from contextlib import ExitStack

    with ExitStack() as stack:

        def made(hosts: Hosts | None = None, **more: int) -> Downloads:
            transport = stack.enter_context(Transport(hosts or Hosts(), retry))
            return Downloads(transport, cache, Keyring(transport.hosts), **more)

        yield made


@pytest.fixture
def served(server: Server) -> str:
    server.files["/dist/a.tar.gz"] = DATA
    return f"{server.url}/dist/a.tar.gz"


def kept(cache: DiskCache) -> list[str]:
    """Every file of the cache that holds bytes of a blob."""
    return [name for _, _, names in os.walk(cache.folder) for name in names if not name.endswith(("lock", ".size"))]


class TestFetch:
    @pytest.mark.parametrize(("digest", "size"), [(DIGEST, len(DATA)), (DIGEST, None), (None, len(DATA)), (None, None)])
    def test_a_file_is_fetched_and_kept(self, fetcher: Callable, served: str, digest, size):
        found = fetcher().fetch(served, digest=digest, size=size)
        assert (found.digest, found.size) == (DIGEST, len(DATA))
        assert Path(found.path).read_bytes() == DATA

    def test_what_is_in_the_cache_needs_no_network(self, fetcher: Callable, served: str, server: Server):
        fetch = fetcher().fetch
        first = fetch(served, digest=DIGEST, size=None)
        assert fetch(served, digest=DIGEST, size=None) == first
        assert len(server.requests) == 1
        fetch(served, digest=None, size=None)
        assert len(server.requests) == 2, "without a digest nobody knows what is behind the URL now"

    def test_another_checksum_names_url_expected_and_got_and_keeps_nothing(
        self, fetcher: Callable, served: str, cache: DiskCache
    ):
        expected = Digest.of(b"other")
        with pytest.raises(WrongChecksum, match=f"expected {expected}, got {DIGEST}") as caught:
            fetcher().fetch(served, digest=expected, size=None)
        assert served in str(caught.value)
        assert caught.value.exit_code == 3
        assert kept(cache) == []

    @pytest.mark.parametrize("size", [len(DATA) - 1, len(DATA) + 1, 0])
    def test_another_size_is_refused(self, fetcher: Callable, served: str, cache: DiskCache, size: int):
        with pytest.raises(WrongChecksum, match="expected"):
            fetcher().fetch(served, digest=None, size=size)
        assert kept(cache) == []

    def test_a_file_without_a_known_size_is_bounded(self, fetcher: Callable, served: str, cache: DiskCache):
        with pytest.raises(RemoteFailed, match="more than the 1000 bytes"):
            fetcher(largest=1000).fetch(served, digest=DIGEST, size=None)
        assert kept(cache) == []

    def test_a_download_that_breaks_off_is_begun_again(
        self, fetcher: Callable, served: str, server: Server, clock: Clock
    ):
        server.fault("GET", faults.cut(300_000))
        found = fetcher().fetch(served, digest=DIGEST, size=None)
        assert Path(found.path).read_bytes() == DATA
        assert clock.slept == [0.25]

    def test_three_breaks_are_enough(self, fetcher: Callable, served: str, server: Server, cache: DiskCache):
        server.fault("GET", faults.cut(300_000), times=9)
        with pytest.raises(RemoteFailed, match="broke"):
            fetcher().fetch(served, digest=DIGEST, size=None)
        assert len(server.requests) == 3
        assert kept(cache) == []

    def test_a_redirect_is_followed(self, fetcher: Callable, served: str, server: Server):
        server.fault("GET /latest", faults.redirect(served, 302))
        assert fetcher().fetch(f"{server.url}/latest", digest=None, size=None).digest == DIGEST

    def test_a_redirect_to_the_metadata_service_is_not(self, fetcher: Callable, server: Server):
        server.fault("GET", faults.redirect("http://169.254.169.254/latest/meta-data/iam"))
        with pytest.raises(RemoteFailed, match="not followed"):
            fetcher().fetch(f"{server.url}/latest", digest=None, size=None)

    @pytest.mark.parametrize(
        ("code", "hint"), [(401, r"\[hosts"), (403, "login"), (404, "check the URL"), (429, "mirror"), (500, "later")]
    )
    def test_each_status_has_its_own_hint(self, fetcher: Callable, served: str, server: Server, code: int, hint: str):
        server.fault("GET", faults.status(code, b"words"), times=9)
        with pytest.raises(RemoteFailed, match=rf"{server.host} answers {code}: words \(GET {served}\)") as caught:
            fetcher().fetch(served, digest=DIGEST, size=None)
        assert hint.strip("\\") in caught.value.hint or "[hosts" in caught.value.hint


class TestUrls:
    @pytest.mark.parametrize(
        "url", ["file:///etc/passwd", "ftp://h/x", "/etc/passwd", "s3://b/k", "https://u:hunter2@h/x"]
    )
    def test_what_is_no_http_url_is_refused(self, fetcher: Callable, url: str):
        with pytest.raises(InvalidFile) as caught:
            fetcher().fetch(url, digest=None, size=None)
        assert "hunter2" not in str(caught.value)

    def test_plain_http_is_for_loopback_and_for_hosts_that_are_named(self, fetcher: Callable):
        with pytest.raises(InvalidFile, match="not fetched without TLS") as caught:
            fetcher().fetch("http://example.com/a.tar.gz", digest=DIGEST, size=None)
        assert "--insecure example.com" in caught.value.hint

    def test_a_mirror_is_read_in_the_hosts_place(self, fetcher: Callable, server: Server):
        server.files["/node/dist/x.tar.xz"] = DATA
        hosts = Hosts().given(mirrors=[f"nodejs.org={server.host}/node"])
        found = fetcher(hosts).fetch("https://nodejs.org/dist/x.tar.xz", digest=DIGEST, size=None)
        assert found.digest == DIGEST


class TestLogins:
    def test_the_settings_of_a_host_are_sent_to_it_and_to_nobody_else(
        self, fetcher: Callable, served: str, server: Server
    ):
        environment = {"TOKEN": "s3cr3t"}
        hosts = Hosts(hosts={server.host: Host(token_env="TOKEN")}, environment=environment)
        with Server() as other:
            other.files["/f"] = DATA
            server.fault("GET", faults.redirect(f"{other.url}/f"))
            fetcher(hosts).fetch(served, digest=DIGEST, size=None)
            assert server.requests[0].headers["authorization"] == "Bearer s3cr3t"
            assert "authorization" not in other.requests[0].headers

    def test_a_login_of_netrc_is_sent(self, fetcher: Callable, served: str, server: Server, tmp_path: Path):
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ann password pw\n")
        fetcher(Hosts(environment={"HOME": str(tmp_path)})).fetch(served, digest=DIGEST, size=None)
        assert server.requests[0].headers["authorization"].startswith("Basic ")

    def test_a_refused_login_is_named_without_its_secret(self, fetcher: Callable, served: str, server: Server):
        server.fault("GET", faults.status(401))
        hosts = Hosts(hosts={server.host: Host(username="ann", password_env="PW")}, environment={"PW": "hunter2"})
        with pytest.raises(RemoteFailed, match=r"answers 401 as 'ann' \(PW, by \[hosts") as caught:
            fetcher(hosts).fetch(served, digest=DIGEST, size=None)
        assert "hunter2" not in str(caught.value)
