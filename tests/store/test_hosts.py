"""Settings of hosts: the file, the command line over it, mirrors, certificates, plain http."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from imagekit.errors import InvalidFile, UsageError
from imagekit.store.hosts import Certificates, Host, Hosts, Mirror
from imagekit.store.url import Url


def from_text(text: str, file: str = "imagekit.toml", **environment: str) -> Hosts:
    return Hosts.from_toml(tomllib.loads(text), file=file, environment=environment)


class TestTheFile:
    def test_mirrors_and_hosts_are_read(self, tmp_path: Path):
        hosts = from_text(
            """
            [mirrors]
            "public.ecr.aws" = "127.0.0.1:5000/ecr/public"
            "docker.io" = "Artifactory.corp"
            [hosts."artifactory.corp"]
            ca = "corp.pem"
            client_certificate = "~/me.pem"
            client_key = "/abs/me.key"
            username = "ann"
            password_env = "PW"
            """,
            file=str(tmp_path / "imagekit.toml"),
            HOME="/home/ann",
        )
        assert hosts.mirrors["public.ecr.aws"] == Mirror(authority="127.0.0.1:5000", prefix="ecr/public")
        assert hosts.mirrors["docker.io"] == Mirror(authority="artifactory.corp")
        host = hosts.host("artifactory.corp")
        assert host.ca == str(tmp_path / "corp.pem")
        assert (host.client_certificate, host.client_key) == ("/home/ann/me.pem", "/abs/me.key")
        assert (host.username, host.password_env) == ("ann", "PW")

    @pytest.mark.parametrize(
        ("text", "message", "hint"),
        [
            ("[mirors]\n", "unknown key `mirors`", "did you mean `mirrors`"),
            ('[hosts."x"]\npasword_env = "A"', "unknown key `pasword_env`", "did you mean `password_env`"),
            ('[hosts."x"]\npassword = "secret"', "unknown key `password`", "password_env"),
            ('[hosts."https://x"]\ninsecure = true', "is not a host", "HOST"),
            ("mirrors = 1", "is a table", ""),
            ("[hosts]\nx = 1", "is a table", ""),
            ('[hosts."x"]\nca = 1', "is a text", ""),
            ('[hosts."x"]\ninsecure = "yes"', "is true or false", ""),
            ('[mirrors]\n"x" = 1', "is a text", ""),
            ('[mirrors]\n"x" = "http://y"', "is not a mirror", "HOST"),
            ('[mirrors]\n"x y" = "z"', "is not a mirror", "HOST"),
            ('[mirrors]\n"x" = "user:pw@y"', "is not a mirror", "HOST"),
        ],
    )
    def test_what_it_cannot_hold_is_an_error_with_the_file_and_the_nearest_word(self, text, message, hint):
        with pytest.raises(InvalidFile, match=message) as caught:
            from_text(text)
        assert "imagekit.toml" in str(caught.value)
        assert hint in caught.value.hint

    def test_the_nearer_file_wins_host_by_host(self):
        near = from_text('[mirrors]\n"a" = "near"\n[hosts."h"]\nca = "/near"')
        far = from_text('[mirrors]\n"a" = "far"\n"b" = "far"\n[hosts."i"]\nca = "/far"')
        both = near.over(far)
        assert {key: mirror.authority for key, mirror in both.mirrors.items()} == {"a": "near", "b": "far"}
        assert (both.host("h").ca, both.host("i").ca) == ("/near", "/far")


class TestTheCommandLine:
    def test_it_wins_over_the_file(self):
        hosts = from_text('[mirrors]\n"a" = "file"\n[hosts."h"]\nca = "/ca"')
        given = hosts.given(mirrors=["a=flag:5000/p"], insecure=["h"], ca_file="/more.pem")
        assert given.mirrors["a"] == Mirror(authority="flag:5000", prefix="p")
        assert given.host("h") == Host(ca="/ca", insecure=True)
        assert given.ca_file == "/more.pem"

    @pytest.mark.parametrize("text", ["public.ecr.aws", "=x", "a=", "a=http://b", "a b=c", "a=u:p@b", "a/b=c", ""])
    def test_what_is_no_mirror_is_a_usage_error(self, text):
        with pytest.raises(UsageError) as caught:
            Hosts().given(mirrors=[text])
        assert "HOST" in caught.value.hint

    def test_what_is_no_host_is_a_usage_error(self):
        with pytest.raises(UsageError, match="--insecure"):
            Hosts().given(insecure=["http://x/"])


class TestMirrors:
    HOSTS = Hosts().given(
        mirrors=["public.ecr.aws=127.0.0.1:5000/ecr", "docker.io=mirror.corp", "nodejs.org=m.corp/node"]
    )

    def test_images_are_read_below_the_prefix(self):
        endpoint, repository = self.HOSTS.registry_for_reading("public.ecr.aws", "lambda/provided")
        assert (endpoint.scheme, endpoint.authority, repository) == ("http", "127.0.0.1:5000", "ecr/lambda/provided")

    @pytest.mark.parametrize("name", ["docker.io", "index.docker.io", "registry-1.docker.io", "Docker.IO"])
    def test_docker_hub_is_one_host_under_all_its_names(self, name):
        assert self.HOSTS.registry_for_reading(name, "library/x")[0].authority == "mirror.corp"
        assert Hosts().registry(name).authority == "registry-1.docker.io"
        assert Hosts().registry(name).name == "docker.io"

    def test_writes_go_to_the_host_itself(self):
        assert self.HOSTS.registry("public.ecr.aws").authority == "public.ecr.aws"

    def test_other_hosts_are_read_from_themselves(self):
        endpoint, repository = self.HOSTS.registry_for_reading("ghcr.io", "a/b")
        assert (str(endpoint.url("/")), repository) == ("https://ghcr.io/", "a/b")

    def test_files_are_read_below_the_prefix(self):
        url = self.HOSTS.mirrored(Url.parse("https://nodejs.org/dist/x.tar.gz?a=b"))
        assert str(url) == "https://m.corp/node/dist/x.tar.gz?a=b"
        assert str(self.HOSTS.mirrored(Url.parse("https://public.ecr.aws/f"))) == "http://127.0.0.1:5000/ecr/f"

    def test_a_mirror_is_not_mirrored_again(self):
        hosts = Hosts().given(mirrors=["a.com=b.com", "b.com=c.com"])
        assert hosts.mirrored(Url.parse("https://a.com/")).host == "b.com"


class TestPlainHttp:
    @pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost", "localhost:5000", "[::1]:5000", "127.0.0.2"])
    def test_loopback_is_plain(self, host):
        assert Hosts().is_plain(host)
        assert Hosts().registry(host).scheme == "http"

    @pytest.mark.parametrize("host", ["registry.corp", "10.0.0.1:5000", "localhost.corp", "[fd00::1]:5000"])
    def test_others_are_not_unless_it_is_said(self, host):
        assert not Hosts().is_plain(host)
        assert Hosts().given(insecure=[host]).is_plain(host)

    def test_insecure_holds_for_all_ports_of_a_host_and_for_no_other_host(self):
        hosts = Hosts().given(insecure=["registry.corp"])
        assert hosts.is_plain("registry.corp:5000")
        assert not hosts.is_plain("sub.registry.corp")
        assert not Hosts().given(insecure=["registry.corp:5000"]).is_plain("registry.corp:5001")

    def test_a_loopback_host_with_a_certificate_speaks_tls(self, tmp_path: Path):
        assert not Hosts(hosts={"localhost:5000": Host(ca="/ca.pem")}).is_plain("localhost:5000")
        assert not Hosts(hosts={"localhost:5000": Host(insecure=False)}).is_plain("localhost:5000")
        (tmp_path / "localhost:5000").mkdir()
        assert not Hosts(certs_d=str(tmp_path)).is_plain("localhost:5000")


class TestCertificates:
    def test_all_that_is_named_is_trusted(self, tmp_path: Path):
        files = {name: tmp_path / name for name in ("ca.pem", "flag.pem", "aws.pem", "bundle.pem")}
        for path in files.values():
            path.touch()
        environment = {"AWS_CA_BUNDLE": str(files["aws.pem"]), "SSL_CERT_FILE": str(files["bundle.pem"])}
        hosts = Hosts(hosts={"h": Host(ca=str(files["ca.pem"]))}, environment=environment, certs_d=str(tmp_path))
        found = hosts.given(ca_file=str(files["flag.pem"])).certificates("h")
        assert found.authorities == tuple(str(files[name]) for name in ("ca.pem", "flag.pem", "aws.pem"))
        assert found.bundle == str(files["bundle.pem"])

    def test_docker_keeps_certificates_in_a_folder_by_host(self, tmp_path: Path):
        folder = tmp_path / "h:5000"
        folder.mkdir()
        for name in ("a.crt", "b.crt", "client.cert", "client.key", "lonely.cert", "note.txt"):
            (folder / name).touch()
        found = Hosts(certs_d=str(tmp_path)).certificates("h:5000")
        assert found.authorities == (str(folder / "a.crt"), str(folder / "b.crt"))
        assert found.client == (str(folder / "client.cert"), str(folder / "client.key"))
        assert Hosts(certs_d=str(tmp_path)).certificates("h") == Certificates()

    def test_the_settings_come_before_dockers_folder(self, tmp_path: Path):
        (tmp_path / "h").mkdir()
        for name in ("h/x.cert", "h/x.key", "mine.pem"):
            (tmp_path / name).touch()
        hosts = Hosts(hosts={"h": Host(client_certificate=str(tmp_path / "mine.pem"))}, certs_d=str(tmp_path))
        assert hosts.certificates("h").client == (str(tmp_path / "mine.pem"), str(tmp_path / "mine.pem"))

    @pytest.mark.parametrize("name", ["SSL_CERT_FILE", "AWS_CA_BUNDLE"])
    def test_a_missing_file_is_named_with_who_names_it(self, name):
        with pytest.raises(InvalidFile, match=f"{name} names /none.pem"):
            Hosts(environment={name: "/none.pem"}).certificates("h")
        with pytest.raises(InvalidFile, match=r"--ca-file names /none\.pem"):
            Hosts(ca_file="/none.pem").certificates("h")


def test_the_environment_is_in_no_repr():
    assert "hunter2" not in repr(Hosts(environment={"PW": "hunter2"}))
