"""Values and documents for the property tests of the image specification's nouns."""

import json
from typing import Any

from hypothesis import strategies as st

from imagekit.oci import media
from imagekit.oci.config import Config, History
from imagekit.oci.descriptor import MAX_SIZE, Descriptor
from imagekit.oci.digest import Digest
from imagekit.oci.platform import Platform

#: Text as JSON in UTF-8 can hold it.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
text_mappings = st.dictionaries(texts, texts, max_size=4)
digests = st.binary(min_size=32, max_size=32).map(lambda data: Digest(data.hex()))
media_types = st.sampled_from([*media.TO_OCI, *media.TO_OCI.values(), "application/vnd.oci.empty.v1+json"])
platforms = st.builds(
    lambda os, architecture, variant: Platform.from_mapping(
        {"os": os, "architecture": architecture, "variant": variant}
    ),
    st.sampled_from(["linux", "windows", "unknown"]),
    st.sampled_from(["amd64", "arm64", "riscv64", "unknown"]),
    st.sampled_from(["", "v1", "v7", "v8"]),
)
descriptors = st.builds(
    Descriptor,
    media_type=media_types,
    digest=digests,
    size=st.integers(0, MAX_SIZE),
    platform=st.none() | platforms,
    annotations=text_mappings,
    artifact_type=st.sampled_from(["", "application/spdx+json"]),
)
histories = st.builds(History, created=texts, created_by=texts, comment=texts, author=texts, empty_layer=st.booleans())
configs = st.builds(
    Config,
    platform=platforms,
    diff_ids=st.lists(digests, max_size=4).map(tuple),
    created=texts,
    author=texts,
    environment=st.dictionaries(words.filter(lambda name: "=" not in name), texts, max_size=4),
    entrypoint=st.lists(texts, max_size=3).map(tuple),
    command=st.lists(texts, max_size=3).map(tuple),
    working_directory=texts,
    labels=text_mappings,
    kept=st.dictionaries(st.sampled_from(["User", "StopSignal"]), words),
    history=st.lists(histories, max_size=4).map(tuple),
)

_KEYS = (
    *("schemaVersion", "mediaType", "manifests", "layers", "config", "annotations", "digest", "size", "platform"),
    *("os", "architecture", "variant", "rootfs", "diff_ids", "history", "empty_layer", "created", "created_by"),
    *("Env", "Cmd", "Entrypoint", "WorkingDir", "Labels", "User", "ExposedPorts", "Volumes", "StopSignal", "author"),
    *("artifactType", "subject", "org.opencontainers.image.ref.name", "x"),
)
_atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | digests.map(str)
    | media_types
    | st.sampled_from(["PATH=/bin", "=", "linux", "arm64", "\ud800"])
    | st.just(2)
)
#: JSON as a hostile server sends it: our keys with anything behind them, NaN and lone surrogates too.
json_values = st.recursive(
    _atoms,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=6),
    max_leaves=20,
)


def hostile_documents(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Bytes of an object: mostly of the right shape in `fields`, sometimes anything."""
    shaped = st.fixed_dictionaries({}, optional={key: value | json_values for key, value in fields.items()})
    mixed = st.builds(lambda one, two: {**two, **one}, shaped, st.dictionaries(st.sampled_from(_KEYS), json_values))
    return (mixed | json_values).map(lambda value: json.dumps(value).encode("ascii")) | st.binary(max_size=50)


mapped_descriptors = descriptors.map(Descriptor.to_mapping)
hostile_manifests = hostile_documents(
    schemaVersion=st.just(2),
    mediaType=media_types,
    config=mapped_descriptors,
    layers=st.lists(mapped_descriptors | json_values, max_size=4),
    annotations=text_mappings,
)
hostile_indexes = hostile_documents(
    schemaVersion=st.just(2),
    mediaType=media_types,
    manifests=st.lists(mapped_descriptors | json_values, max_size=4),
    annotations=text_mappings,
)
hostile_configs = hostile_documents(
    os=st.just("linux"),
    architecture=st.just("arm64"),
    config=st.fixed_dictionaries(
        {},
        optional={
            "Env": st.lists(st.sampled_from(["A=1", "A=2", "=", "A", "B=x=y"]) | _atoms, max_size=3),
            "Cmd": st.lists(texts, max_size=2) | json_values,
            "Labels": text_mappings | json_values,
            "User": json_values,
            "ExposedPorts": json_values,
        },
    ),
    rootfs=st.fixed_dictionaries({"diff_ids": st.lists(digests.map(str), max_size=3) | json_values}),
    history=st.lists(json_values, max_size=3),
)
