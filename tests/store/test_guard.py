"""The URL guard: where a server may send this program, by text and by the address that it really reaches."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

import pytest

from imagekit.errors import RemoteFailed
from imagekit.store.guard import Guard, special
from imagekit.store.registry import Registry
from imagekit.store.url import Url
from tests.support import faults
from tests.support.blobs import blob_of, opener
from tests.support.registry import Registry as Server
from tests.support.tokens import Doorkeeper


def guard(configured: str, *plain: str) -> Guard:
    return Guard(configured=Url.parse(configured), plain=lambda host: host in plain)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"), ("127.9.9.9", "loopback"), ("::1", "loopback"), ("localhost", "loopback"),
        ("x.localhost", "loopback"), ("::ffff:127.0.0.1", "loopback"), ("64:ff9b::7f00:1", "loopback"),
        ("2002:7f00:1::", "loopback"), ("::127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"), ("169.254.170.2", "link-local"), ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"), ("::ffff:169.254.169.254", "link-local"), ("64:ff9b::a9fe:a9fe", "link-local"),
        ("fd00:ec2::254", "metadata"), ("100.100.100.200", "metadata"), ("168.63.129.16", "metadata"),
        ("0.0.0.0", "unspecified"), ("0.1.2.3", "unspecified"), ("::", "unspecified"),
        ("224.0.0.1", "multicast"), ("ff02::1", "multicast"), ("255.255.255.255", "reserved"),
        ("240.0.0.1", "reserved"),
        ("93.184.216.34", ""), ("10.0.0.1", ""), ("192.168.1.1", ""), ("fd12::1", ""), ("2606:4700::1", ""),
        ("registry.example.com", ""), ("localhost.example.com", ""),
    ],
)  # fmt: skip
def test_addresses_are_known_by_their_kind(address, kind):
    assert special(address) == kind


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/", "https://127.0.0.1/", "https://localhost/", "https://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/", "https://[::ffff:169.254.169.254]/", "https://0.0.0.0/", "https://[fe80::1]/",
        "http://other.example.com/", "http://registry.example.com/", "//169.254.169.254/", "file:///etc/passwd",
        "https://user:pw@other.example.com/", "gopher://x/", "https://other.example.com\\@127.0.0.1/",
    ],
)  # fmt: skip
def test_a_public_registry_sends_nobody_there(location):
    base = Url.parse("https://registry.example.com/v2/")
    with pytest.raises(RemoteFailed, match="not followed"):
        guard("https://registry.example.com/v2/", "other.example.com").follow(base, location)


@pytest.mark.parametrize(
    "location",
    ["/v2/x", "https://cdn.example.com/blob?sig=1", "https://10.0.0.7/blob", "https://registry.example.com/"],
)
def test_a_public_registry_may_send_us_elsewhere_over_tls(location):
    base = Url.parse("https://registry.example.com/v2/")
    assert guard("https://registry.example.com/v2/").follow(base, location) == base.join(location)


def test_a_registry_on_loopback_may_send_us_to_loopback_but_to_no_metadata_service():
    base = Url.parse("http://127.0.0.1:5000/v2/")
    judge = guard("http://127.0.0.1:5000/v2/", "127.0.0.1:9000")
    assert judge.follow(base, "http://127.0.0.1:9000/x").port == 9000
    with pytest.raises(RemoteFailed, match="link-local"):
        judge.follow(base, "https://169.254.169.254/")


def test_a_registry_without_tls_sends_us_without_tls_only_where_that_is_allowed():
    base = Url.parse("http://registry.corp:5000/v2/")
    judge = guard("http://registry.corp:5000/v2/", "registry.corp:5000", "minio.corp:9000")
    assert judge.follow(base, "http://minio.corp:9000/x").host == "minio.corp"
    with pytest.raises(RemoteFailed, match="plain http"):
        judge.follow(base, "http://elsewhere.example.com/")


def test_a_way_over_tls_and_back_is_no_way_out_of_it():
    judge = guard("http://registry.corp:5000/v2/", "registry.corp:5000", "minio.corp:9000")
    with pytest.raises(RemoteFailed, match="leaves TLS"):
        judge.follow(Url.parse("https://cdn.example.com/"), "http://minio.corp:9000/x")


def test_a_user_who_names_a_link_local_registry_means_it():
    base = Url.parse("https://169.254.10.10/v2/")
    assert guard(str(base)).follow(base, "https://169.254.10.11/x").host == "169.254.10.11"


def test_a_server_may_always_send_us_to_itself():
    base = Url.parse("https://127.0.0.1:5000/v2/")
    judge = guard("https://127.0.0.1:5000/v2/")
    assert judge.is_home(judge.follow(base, "/x"))
    assert not judge.is_home(Url.parse("https://127.0.0.1:5001/"))


def test_the_refusal_shows_no_signature():
    base = Url.parse("https://registry.example.com/v2/")
    with pytest.raises(RemoteFailed) as caught:
        guard(str(base)).follow(base, "http://cdn.example.com/?X-Amz-Signature=hunter2")
    assert "hunter2" not in str(caught.value)
    assert caught.value.hint


class TestTheAddressThatIsConnectedTo:
    """A name says nothing: `localtest.test` may be 127.0.0.1. The resolver is the only thing that is replaced here."""

    NAME = "rebinding.example.com"

    @pytest.fixture
    def resolver(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        real = socket.getaddrinfo
        answers = {self.NAME: "127.0.0.1", "registry.example.com": "127.0.0.1"}

        def resolve(named, port, *arguments, **options):
            host = named.decode()
            if answers.get(host, "") is None:
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.1", port))]
            return real(answers.get(host, host), port, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        return answers.update

    def _hosts(self, server: Server):
        from imagekit.store.hosts import Host, Hosts

        port = server.host.partition(":")[2]
        names = (f"registry.example.com:{port}", f"{self.NAME}:{port}")
        return Hosts(hosts={name: Host(insecure=True) for name in names}), port

    @pytest.fixture
    def server(self):
        with Server() as server:
            yield server

    def test_the_host_that_the_user_names_may_be_anywhere(self, server, resolver, repository):
        hosts, port = self._hosts(server)
        assert not repository(f"registry.example.com:{port}/app", hosts=hosts).has(blob_of(b"x"))

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_a_redirect_to_a_name_that_is_loopback_sends_no_byte(self, server, resolver, repository, method):
        hosts, port = self._hosts(server)
        there = server.add_blob("app", b"x")
        server.fault(method, faults.redirect(f"http://{self.NAME}:{port}/secret"))
        target = repository(f"registry.example.com:{port}/app", hosts=hosts)
        with pytest.raises(RemoteFailed, match=r"127\.0\.0\.1 is a loopback address"):
            target.has(there) if method == "HEAD" else target.blob(there).__enter__()
        assert server.seen("secret") == []

    def test_it_is_not_even_connected_to(self, server, resolver, repository):
        hosts, port = self._hosts(server)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            inner = listener.getsockname()[1]
            hosts = hosts.given(insecure=[f"{self.NAME}:{inner}"])
            server.fault("HEAD", faults.redirect(f"http://{self.NAME}:{inner}/secret"))
            with pytest.raises(RemoteFailed, match="loopback"):
                repository(f"registry.example.com:{port}/app", hosts=hosts).has(blob_of(b"x"))
            assert select.select([listener], [], [], 0.05)[0] == []

    def test_the_peer_counts_whatever_the_resolver_said(self, server, resolver, repository):
        """A resolver's answer that hides where it leads: the system takes 127.1 for 127.0.0.1."""
        hosts, port = self._hosts(server)
        resolver({self.NAME: None})
        server.fault("HEAD", faults.redirect(f"http://{self.NAME}:{port}/secret"))
        with pytest.raises(RemoteFailed, match=r"127\.0\.0\.1 is a loopback address"):
            repository(f"registry.example.com:{port}/app", hosts=hosts).has(blob_of(b"x"))
        assert server.seen("secret") == []

    def test_an_upload_location_of_that_name_gets_nothing(self, server, resolver, repository):
        hosts, port = self._hosts(server)
        server.fault("POST", faults.status(202, headers={"Location": f"http://{self.NAME}:{port}/up"}))
        with pytest.raises(RemoteFailed, match=r"127\.0\.0\.1 is a loopback address"):
            repository(f"registry.example.com:{port}/app", hosts=hosts).put(blob_of(b"x"), opener(b"x"))
        assert server.seen("PATCH") == []

    def test_a_token_service_of_that_name_is_not_asked(self, server, resolver, repository):
        hosts, port = self._hosts(server)
        server.doorkeeper = Doorkeeper(anonymous="pull", realm=f"http://{self.NAME}:{port}/token")
        with pytest.raises(RemoteFailed, match=r"127\.0\.0\.1 is a loopback address"):
            repository(f"registry.example.com:{port}/app", hosts=hosts, reads=True).has(blob_of(b"x"))
        assert server.seen("token") == []

    def test_a_next_page_of_that_name_is_not_read(self, server, resolver, repository):
        hosts, port = self._hosts(server)
        server.repository("app").tags["v1"] = "x"
        server.fault("tags", faults.headed({"Link": f'<http://{self.NAME}:{port}/next>; rel="next"'}))
        with pytest.raises(RemoteFailed, match=r"127\.0\.0\.1 is a loopback address"):
            repository(f"registry.example.com:{port}/app", hosts=hosts).tags()

    def test_a_kept_connection_of_the_user_is_no_way_around(self, server, resolver, repository, connect):
        """The same name named by the user and by a server are two pools."""
        hosts, port = self._hosts(server)
        access = connect(hosts)
        repository(f"{self.NAME}:{port}/app", access=access).has(blob_of(b"x"))
        server.fault("HEAD", faults.redirect(f"http://{self.NAME}:{port}/secret"))
        target: Registry = repository(f"registry.example.com:{port}/app", access=access)
        with pytest.raises(RemoteFailed, match="loopback"):
            target.has(blob_of(b"x"))
