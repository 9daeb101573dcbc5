"""Every way in which an image can be other than its digests say, or other than Lambda takes."""

import gzip
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import pytest
from hypothesis import given

from imagekit.errors import RemoteFailed, WrongDigest
from imagekit.findings import CODES, Severity
from imagekit.oci import canonical, media
from imagekit.oci.config import History
from imagekit.oci.descriptor import Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.image import Image
from imagekit.oci.index import Index
from imagekit.oci.platform import Platform
from imagekit.oci.ports import Document
from imagekit.oci.validate import Report, validate
from tests.oci.strategies import hostile_configs, hostile_indexes, hostile_manifests
from tests.support.layouts import ARM64, Picture, index_of, opener, picture, tar_of

ONE = picture({"etc/os-release": b"base" * 5000}, {"app.py": b"one"})
ARM = picture({"etc/os-release": b"arm"}, {"app.py": b"arm"}, platform=ARM64)
BOTH = index_of(ONE, ARM)


class Shelf:
    """Blobs by digest; counts how often each was opened."""

    def __init__(self, *pictures: Picture) -> None:
        self.contents: dict[Digest, bytes] = {}
        self.opened: list[Digest] = []
        for item in pictures:
            self.contents |= {**item.contents, item.digest: item.document.data}

    def __call__(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]] | None:
        self.opened.append(descriptor.digest)
        data = self.contents.get(descriptor.digest)
        return None if data is None else opener(data)()


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def changed(base: Picture, *, config: Mapping[str, object] = {}, manifest: Mapping[str, object] = {}) -> Picture:
    """The picture with other fields in config or manifest, digests made to fit."""
    new_config = replace(base.image.config, **config)
    data = new_config.to_bytes()
    new_manifest = replace(base.image.manifest, **{"config": Descriptor.of(data, media.CONFIG), **manifest})
    return Picture(image=Image.of(new_manifest, new_config), contents={**base.contents, Digest.of(data): data})


def with_layer(blob: bytes, diff_id: Digest, media_type: str = media.LAYER) -> Picture:
    """An image with this one layer."""
    base = picture({"a": b"1"})
    image = changed(base, config={"diff_ids": (diff_id,)}, manifest={"layers": (Descriptor.of(blob, media_type),)})
    return replace(image, contents={**image.contents, Digest.of(blob): blob})


class TestSound:
    def test_an_image_and_an_index_of_ours_are_faultless(self):
        for document, shelf in ((ONE.document, Shelf(ONE)), (BOTH, Shelf(ONE, ARM))):
            assert validate(document, shelf) == Report(findings=(), unread=())

    def test_layers_that_are_elsewhere_are_named_and_not_missed(self):
        shelf = Shelf(ONE, ARM)
        for image in (ONE, ARM):
            del shelf.contents[image.image.manifest.layers[0].digest]
        unread = tuple(image.image.manifest.layers[0].digest for image in (ONE, ARM))
        assert validate(BOTH, shelf) == Report(findings=(), unread=unread)

    def test_a_layer_of_several_platforms_is_read_once(self):
        one, two = picture({"a": b"same"}), picture({"a": b"same"}, platform=ARM64)
        shelf = Shelf(one, two)
        assert validate(index_of(one, two), shelf).findings == ()
        assert shelf.opened.count(one.image.manifest.layers[0].digest) == 1

    def test_a_docker_image_is_one_family(self):
        image = changed(
            ONE,
            manifest={
                "media_type": media.DOCKER_MANIFEST,
                "config": replace(ONE.image.manifest.config, media_type=media.DOCKER_CONFIG),
                "layers": tuple(replace(item, media_type=media.DOCKER_LAYER) for item in ONE.image.manifest.layers),
            },
        )
        descriptor = replace(image.image.descriptor, media_type=media.DOCKER_MANIFEST)
        assert validate(Document(data=image.document.data, descriptor=descriptor), Shelf(image)).findings == ()

    def test_history_entries_without_a_layer_do_not_count(self):
        history = (*ONE.image.config.history, History(created_by="CMD", empty_layer=True))
        image = changed(ONE, config={"history": history})
        assert validate(image.document, Shelf(image)).findings == ()

    def test_all_codes_are_known_and_errors(self):
        report = validate(replace(ONE.document, data=b"x"), Shelf())
        assert {finding.code for finding in report.findings} <= set(CODES)
        assert {finding.severity for finding in report.findings} == {Severity.ERROR}


class TestBytes:
    @pytest.mark.parametrize("which", ["manifest", "config", "layer"])
    def test_other_bytes_of_the_same_size(self, which):
        shelf = Shelf(ONE, ARM)
        manifest = ARM.image.manifest
        digest = {"manifest": ARM.digest, "config": manifest.config.digest, "layer": manifest.layers[1].digest}[which]
        shelf.contents[digest] = shelf.contents[digest][:-1] + bytes([shelf.contents[digest][-1] ^ 1])
        report = validate(BOTH, shelf)
        assert codes(report) == ["IK0450"]
        assert str(digest) in report.findings[0].message
        assert "linux/arm64" in report.findings[0].message

    @pytest.mark.parametrize("which", ["manifest", "config", "layer"])
    @pytest.mark.parametrize("change", [b"", b"more"])
    def test_another_size(self, which, change):
        shelf = Shelf(ONE, ARM)
        manifest = ARM.image.manifest
        digest = {"manifest": ARM.digest, "config": manifest.config.digest, "layer": manifest.layers[1].digest}[which]
        shelf.contents[digest] = shelf.contents[digest] + change if change else shelf.contents[digest][:-1]
        assert codes(validate(BOTH, shelf)) == ["IK0451"]

    def test_the_top_document_itself(self):
        assert codes(validate(replace(BOTH, data=BOTH.data[:-1] + b"x"), Shelf())) == ["IK0450"]
        assert codes(validate(replace(BOTH, data=b""), Shelf())) == ["IK0451"]

    def test_a_layer_that_never_ends_is_read_no_further_than_its_size(self):
        given = []

        def blobs(descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]] | None:
            return endless() if descriptor.media_type == media.LAYER else shelf(descriptor)

        @contextmanager
        def endless() -> Iterator[Iterator[bytes]]:
            def pieces() -> Iterator[bytes]:
                while True:
                    given.append(1000)
                    yield bytes(1000)

            yield pieces()

        shelf = Shelf(ONE)
        assert codes(validate(ONE.document, blobs)) == ["IK0451", "IK0451"]
        assert sum(given) < sum(item.size for item in ONE.image.manifest.layers) + 5000

    @pytest.mark.parametrize("target", [item.digest for item in ONE.blobs])
    def test_a_source_that_checks_digests_itself_gives_the_same_finding(self, target):
        @contextmanager
        def refused() -> Iterator[Iterator[bytes]]:
            raise WrongDigest("other bytes")
            yield iter(())

        def blobs(descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]] | None:
            return refused() if descriptor.digest == target else shelf(descriptor)

        shelf = Shelf(ONE)
        assert codes(validate(ONE.document, blobs)) == ["IK0450"]

    def test_a_source_that_fails_is_no_finding(self):
        def blobs(descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]] | None:
            raise RemoteFailed("the network is down")

        with pytest.raises(RemoteFailed, match="network"):
            validate(ONE.document, blobs)

    def test_a_manifest_or_a_config_that_is_not_there(self):
        shelf = Shelf(ONE, ARM)
        del shelf.contents[ARM.digest], shelf.contents[ONE.image.manifest.config.digest]
        report = validate(BOTH, shelf)
        assert codes(report) == ["IK0460", "IK0460"]
        assert report.unread == ()

    def test_a_config_of_a_claimed_gigabyte_is_not_opened(self):
        config = replace(ONE.image.manifest.config, size=1 << 30)
        image = changed(ONE, manifest={"config": config})
        shelf = Shelf(image)
        assert codes(validate(image.document, shelf)) == ["IK0460"]
        assert shelf.opened == []


class TestLayers:
    def test_another_content_than_the_diff_id(self):
        image = changed(ONE, config={"diff_ids": tuple(reversed(ONE.image.config.diff_ids))})
        assert codes(validate(image.document, Shelf(image))) == ["IK0452", "IK0452"]

    def test_other_numbers_of_layers_and_diff_ids(self):
        image = changed(ONE, manifest={"layers": ONE.image.manifest.layers[:1]})
        assert codes(validate(image.document, Shelf(image))) == ["IK0453", "IK0456"]

    def test_a_layer_under_another_media_type(self):
        content = zlib.compress(b"x")
        media_type = "application/vnd.oci.image.layer.v1.tar+zstd"
        image = with_layer(content, Digest.of(b"x"), media_type)
        report = validate(image.document, Shelf(image))
        assert codes(report) == ["IK0455", "IK0455"]
        assert media_type in report.findings[0].message

    @pytest.mark.parametrize("blob", [b"a plain tar", gzip.compress(b"x")[:-1], gzip.compress(b"x") + bytes(9), b""])
    def test_a_layer_that_only_says_gzip(self, blob):
        image = with_layer(blob, Digest.of(b"x"))
        assert codes(validate(image.document, Shelf(image))) == ["IK0455"]

    def test_a_layer_of_several_gzip_members_is_fine(self):
        image = with_layer(gzip.compress(b"x") + gzip.compress(b"y"), Digest.of(b"xy"))
        assert validate(image.document, Shelf(image)).findings == ()


class TestForm:
    def test_two_families_of_media_types(self):
        layers = tuple(replace(item, media_type=media.DOCKER_LAYER) for item in ONE.image.manifest.layers)
        image = changed(ONE, manifest={"layers": layers})
        report = validate(image.document, Shelf(image))
        assert codes(report) == ["IK0454"]
        assert "Docker and OCI" in report.findings[0].message

    def test_a_descriptor_that_says_something_else_than_the_document(self):
        descriptor = replace(ONE.image.descriptor, media_type=media.DOCKER_MANIFEST)
        assert codes(validate(replace(ONE.document, descriptor=descriptor), Shelf(ONE))) == ["IK0454"]

    def test_a_history_that_does_not_fit(self):
        for history in ((), ONE.image.config.history[:1], ONE.image.config.history * 2):
            image = changed(ONE, config={"history": history})
            assert codes(validate(image.document, Shelf(image))) == ["IK0456"]

    def test_a_manifest_at_lambdas_limit(self):
        room = 25_400 - len(changed(ONE, manifest={"annotations": {"a": ""}}).document.data)
        for size, expected in ((room - 1, []), (room, ["IK0457"])):
            image = changed(ONE, manifest={"annotations": {"a": "x" * size}})
            assert codes(validate(image.document, Shelf(image))) == expected

    def test_a_config_for_another_platform_than_the_index_says(self):
        wrong = replace(ONE.image.descriptor, platform=ARM64)
        data = Index(manifests=(wrong,)).to_bytes()
        report = validate(Document(data=data, descriptor=Descriptor.of(data, media.INDEX)), Shelf(ONE))
        assert codes(report) == ["IK0458"]

    @pytest.mark.parametrize("platform", [("windows", "amd64"), ("linux", "riscv64"), ("", "")])
    def test_a_platform_that_lambda_does_not_have(self, platform):
        image = picture({"a": b"1"}, platform=Platform(os=platform[0], architecture=platform[1]))
        assert codes(validate(image.document, Shelf(image))) == ["IK0458"]

    def test_an_empty_command(self):
        image = changed(ONE, config={"command": ()})
        assert codes(validate(image.document, Shelf(image))) == ["IK0459"]

    def test_layers_that_unpack_to_more_than_the_limit(self):
        size = sum(len(tar_of({"a": bytes(50_000)})) for _ in range(2))
        image = picture({"a": bytes(50_000)}, {"a": bytes(50_000)})
        assert codes(validate(image.document, Shelf(image), limit=size)) == []
        assert codes(validate(image.document, Shelf(image), limit=size - 1)) == ["IK0461"]

    def test_a_bomb_is_not_inflated_to_its_end(self):
        stream = zlib.compressobj(9, wbits=31)
        blob = b"".join(stream.compress(bytes(1 << 20)) for _ in range(20)) + stream.flush()
        image = with_layer(blob + b"what is behind is not looked at", Digest.of(b""))
        assert codes(validate(image.document, Shelf(image), limit=5 << 20)) == ["IK0461"]


class TestIndex:
    def index(self, *entries: Descriptor) -> Document:
        data = Index(manifests=entries).to_bytes()
        return Document(data=data, descriptor=Descriptor.of(data, media.INDEX))

    def test_entries_that_are_no_images(self):
        attestation = replace(ONE.image.descriptor, platform=Platform(os="unknown", architecture="unknown"))
        artifact = replace(ONE.image.descriptor, artifact_type="application/spdx+json")
        report = validate(self.index(ONE.image.descriptor, attestation, artifact), Shelf(ONE))
        assert codes(report) == ["IK0462", "IK0462"]

    def test_two_images_for_one_platform(self):
        other = picture({"a": b"2"})
        report = validate(self.index(ONE.image.descriptor, other.image.descriptor), Shelf(ONE, other))
        assert codes(report) == ["IK0462"]

    def test_an_entry_without_a_platform(self):
        report = validate(self.index(replace(ONE.image.descriptor, platform=None)), Shelf(ONE))
        assert codes(report) == ["IK0458"]

    def test_an_index_within_an_index_is_not_followed(self):
        shelf = Shelf(ONE, ARM)
        inner = replace(BOTH.descriptor, platform=ARM64)
        assert codes(validate(self.index(inner), shelf)) == ["IK0462"]
        assert shelf.opened == []


def entry_of(data: bytes, media_type: str) -> Document:
    return Document(data=data, descriptor=Descriptor.of(data, media_type))


@given(hostile_manifests)
def test_any_manifest_is_judged(data):
    assert validate(entry_of(data, media.MANIFEST), Shelf()).findings


@given(hostile_indexes)
def test_any_index_is_judged(data):
    report = validate(entry_of(data, media.INDEX), Shelf())
    assert report.findings or Index.from_bytes(data).manifests == ()


@given(hostile_configs)
def test_any_config_is_judged(data):
    document = canonical.to_bytes(
        {"schemaVersion": 2, "config": Descriptor.of(data, media.CONFIG).to_mapping(), "layers": []}
    )
    shelf = Shelf()
    shelf.contents[Digest.of(data)] = data
    report = validate(entry_of(document, media.MANIFEST), shelf)
    assert {finding.code for finding in report.findings} <= {"IK0453", "IK0456", "IK0458", "IK0459", "IK0460"}
