"""Proxies: which, for what, never for loopback, and that requests really go through them."""

from __future__ import annotations

import base64

import pytest

from imagekit.errors import RemoteFailed, UsageError
from imagekit.store.hosts import Host, Hosts
from imagekit.store.proxies import proxy_for
from imagekit.store.url import Url
from tests.support import faults
from tests.support.blobs import blob_of
from tests.support.registry import Registry as Server

HTTPS = Url.parse("https://registry.corp/v2/")
HTTP = Url.parse("http://registry.corp:5000/v2/")


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        (HTTPS, {}, None),
        (HTTPS, {"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128/"),
        (HTTPS, {"https_proxy": "http://lower:1", "HTTPS_PROXY": "http://upper:1"}, "http://lower:1/"),
        (HTTPS, {"HTTP_PROXY": "http://proxy:3128"}, None),
        (HTTP, {"HTTP_PROXY": "proxy"}, "http://proxy/"),
        (HTTP, {"HTTPS_PROXY": "http://proxy:3128"}, None),
        (HTTPS, {"ALL_PROXY": "http://all:1"}, "http://all:1/"),
    ],
)
def test_the_variable_of_the_scheme_counts(url, environment, proxy):
    found = proxy_for(url, environment)
    assert (str(found.url) if found else None) == proxy


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost:5000", "[::1]", "127.8.8.8"])
def test_loopback_is_never_behind_a_proxy(host):
    assert proxy_for(Url.parse(f"http://{host}/"), {"HTTP_PROXY": "http://proxy:1"}) is None


@pytest.mark.parametrize(
    ("no_proxy", "excepted"),
    [
        ("*", True), ("registry.corp", True), ("corp", True), (".corp", True), ("*.corp", True), ("a, CORP ,b", True),
        ("registry.corp:443", True), ("registry.corp:5000", False), ("other.corp", False), ("orp", False), ("", False),
        ("10.0.0.0/8", False), (",,", False),
    ],
)  # fmt: skip
def test_no_proxy_names_hosts_and_domains(no_proxy, excepted):
    environment = {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": no_proxy}
    assert (proxy_for(HTTPS, environment) is None) is excepted


@pytest.mark.parametrize(
    ("no_proxy", "excepted"), [("10.0.0.0/8", True), ("10.1.2.3", True), ("192.168.0.0/16", False)]
)
def test_no_proxy_names_networks(no_proxy, excepted):
    environment = {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": no_proxy}
    assert (proxy_for(Url.parse("https://10.1.2.3/"), environment) is None) is excepted


@pytest.mark.parametrize("text", ["socks5://proxy:1080", "https://proxy:443", "http://", "http://proxy:x", "http://["])
def test_what_cannot_be_used_is_a_usage_error_without_the_password(text):
    text = text.replace("proxy", "user:hunter2@proxy")
    with pytest.raises(UsageError, match="not a proxy") as caught:
        proxy_for(HTTPS, {"HTTPS_PROXY": text})
    assert "hunter2" not in str(caught.value)
    assert "HTTPS_PROXY" in caught.value.hint


def test_the_password_of_a_proxy_is_in_its_header_and_in_no_repr():
    found = proxy_for(HTTPS, {"HTTPS_PROXY": "http://ann:p%40ss@proxy:1"})
    assert found is not None
    assert found.headers["Proxy-Authorization"] == f"Basic {base64.b64encode(b'ann:p@ss').decode()}"
    assert base64.b64encode(b"ann:p@ss").decode() not in repr(found)


def test_a_plain_request_goes_through_the_proxy_in_absolute_form(server: Server, repository):
    """The in-process registry plays the proxy: it sees the whole URL and the proxy's own header."""
    environment = {"HTTP_PROXY": f"http://ann:pw@{server.host}"}
    hosts = Hosts(hosts={"registry.corp:5000": Host(insecure=True)}, environment=environment)
    server.fault("HEAD", faults.status(404))
    assert not repository("registry.corp:5000/app", hosts=hosts).has(blob_of(b"x"))
    assert server.seen() == [f"HEAD http://registry.corp:5000/v2/app/blobs/{blob_of(b'x').digest}"]
    assert server.requests[0].headers["proxy-authorization"].startswith("Basic ")


def test_tls_goes_through_a_tunnel_that_the_proxy_may_refuse(server: Server, repository):
    server.fault("CONNECT", faults.status(403), times=9)
    hosts = Hosts(environment={"HTTPS_PROXY": f"http://ann:pw@{server.host}"})
    with pytest.raises(RemoteFailed, match=r"the proxy gives no way to registry\.corp.*403") as caught:
        repository("registry.corp/app", hosts=hosts).has(blob_of(b"x"))
    assert server.seen()[0] == "CONNECT registry.corp:443"
    assert server.requests[0].headers["proxy-authorization"].startswith("Basic ")
    assert "HTTPS_PROXY" in caught.value.hint


def test_a_redirect_behind_a_proxy_is_followed_though_the_proxy_is_on_loopback(server: Server, repository):
    """The peer is the proxy, which the user chose; where it goes from there, only it knows."""
    environment = {"HTTP_PROXY": f"http://{server.host}"}
    named = {"registry.corp:5000": Host(insecure=True), "cdn.corp": Host(insecure=True)}
    server.fault("HEAD http://registry", faults.redirect("http://cdn.corp/blob"))
    server.fault("HEAD http://cdn", faults.status(200))
    assert repository("registry.corp:5000/app", hosts=Hosts(hosts=named, environment=environment)).has(blob_of(b"x"))


def test_a_redirect_behind_a_proxy_is_still_judged_by_its_text(server: Server, repository):
    hosts = Hosts(
        hosts={"registry.corp:5000": Host(insecure=True)}, environment={"HTTP_PROXY": f"http://{server.host}"}
    )
    server.fault("HEAD http://registry", faults.redirect("https://169.254.169.254/latest"))
    with pytest.raises(RemoteFailed, match="link-local"):
        repository("registry.corp:5000/app", hosts=hosts).has(blob_of(b"x"))
