"""`imagekit init --from`: a spec out of a Dockerfile; whole ones are in tests/golden/dockerfiles."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagekit.dockerfile.stage import quoted
from imagekit.dockerfile.stages import Stages, State
from imagekit.dockerfile.syntax import parse
from imagekit.dockerfile.words import Scope, pairs
from imagekit.errors import InvalidFile
from tests.support.bench import Bench


def from_text(bench: Bench, text: str, *words: str) -> tuple[dict[str, str], str]:
    """The lines of the spec by their beginnings, and what was said."""
    bench.write("Dockerfile", text)
    outcome = bench.run("init", "--from", "Dockerfile", "--overwrite", *words).ok()
    lines = (bench.folder / "runtime.yaml").read_text().splitlines()
    return {line.split("  #")[0].strip(): line for line in lines}, outcome.err


BASE = "FROM public.ecr.aws/lambda/provided:al2023\nCOPY bootstrap /var/runtime/\n"


def test_each_value_says_its_line(bench: Bench) -> None:
    bench.write("bootstrap", "#!/bin/sh\n", 0o755)
    lines, _ = from_text(bench, f"{BASE}\nENV \\\n  A=1 \\\n\n  # between\n  B='x y'\nCMD [\"a.b\"]\n")
    assert lines['B: "x y"'].endswith("# Dockerfile:4")
    assert lines['handler: "a.b"'].endswith("# Dockerfile:9")


def test_a_spec_that_is_there_stays_unless_it_is_said(bench: Bench) -> None:
    bench.write("Dockerfile", BASE)
    bench.write("bootstrap")
    bench.write("runtime.yaml", "mine")
    refused = bench.run("init", "--from", "Dockerfile")
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert (bench.folder / "runtime.yaml").read_text() == "mine"
    bench.run("init", "--from", "Dockerfile", "--overwrite").ok()
    assert "provided" not in (bench.folder / "runtime.yaml").read_text()


def test_a_text_of_the_dockerfile_goes_over_no_file(bench: Bench) -> None:
    bench.write("settings.conf", "mine")
    _, said = from_text(bench, f"{BASE}COPY <<EOF /opt/settings.conf\nits\nEOF\n")
    assert (bench.folder / "settings.conf").read_text() == "mine"
    assert "Dockerfile:3: the text of settings.conf" in said


@pytest.mark.parametrize("name", [".npmrc", "runtime.yaml", "runtime.lock", "a b", "-x"])
def test_a_text_with_such_a_name_is_not_written(bench: Bench, name: str) -> None:
    _, said = from_text(bench, f'{BASE}COPY <<EOF "/opt/{name}"\nits\nEOF\n')
    assert f"the text of {name}" in said
    assert "its" not in (bench.folder / "runtime.yaml").read_text()
    assert sorted(path.name for path in bench.folder.iterdir()) == [".imagekit", "Dockerfile", "runtime.yaml"]


def test_nothing_stays_when_the_spec_cannot_be_written(bench: Bench) -> None:
    bench.write("Dockerfile", f"{BASE}COPY <<EOF /opt/a.conf\nits\nEOF\n")
    (bench.folder / "runtime.yaml").mkdir()
    outcome = bench.run("init", "--from", "Dockerfile", "--overwrite")
    assert outcome.code == 2
    assert "runtime.yaml is no file" in outcome.err
    assert not (bench.folder / "a.conf").exists()


def test_the_context_is_the_folder_of_the_spec(bench: Bench) -> None:
    bench.write("app/bootstrap", "#!/bin/sh\n", 0o755)
    bench.write("docker/Dockerfile", BASE)
    outcome = bench.run("init", "--from", "docker/Dockerfile", "--directory", "app").ok()
    assert outcome.lines == ["app/runtime.yaml"]
    assert "not in the spec" not in outcome.err
    assert "imagekit validate app" in outcome.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("RUN make install", "`make install`"),
        ("RUN if true; then dnf install -y x; fi", "`if true"),
        ("RUN apt-get install -y curl", "under `packages`"),
        ("COPY missing.txt /opt/", "missing.txt is not in the folder"),
        ("COPY --from=nowhere /x /opt/", ""),
        ("ENV AWS_REGION=eu-west-1", "Lambda sets AWS_REGION itself"),
        ("WORKDIR /srv", "programs start in /var/task"),
        ('ENTRYPOINT ["node", "index.js"]', "looked for on the PATH"),
        ("ADD https://github.com/x/y.git /src", "y.git"),
        ("RUN yum install -y https://x.example/a-1-1.x86_64.rpm", "x86_64 in"),
        ("LABEL a", "is no NAME=VALUE"),
        ('ENV A="b', "no end"),
    ],
)
def test_what_could_not_be_taken_over_is_said_with_its_line(bench: Bench, line: str, said: str) -> None:
    bench.write("bootstrap", "#!/bin/sh\n", 0o755)
    _, told = from_text(bench, f"{BASE}{line}\n")
    assert said in told
    assert not said or "Dockerfile:3: " in told


@pytest.mark.parametrize(
    "line",
    [
        "RUN ln -s /opt/a /usr/bin/a",
        "RUN useradd app",
        "RUN echo a > /etc/a.conf",
        "RUN ldconfig",
        "RUN pip install boto3",
    ],
)
def test_what_changes_the_image_itself_is_for_the_engine(bench: Bench, line: str) -> None:
    bench.write("bootstrap", "#!/bin/sh\n", 0o755)
    _, said = from_text(bench, f"{BASE}{line}\n")
    assert f"`{line.removeprefix('RUN ')}`" in said
    assert "under `run`, with `engine: docker`" in said


@pytest.mark.parametrize(
    "command",
    [
        'curl -fsSL -H "Authorization: x" https://x.example/a.tar.gz | tar xz -C /opt',
        "curl -sLu me:it https://x.example/a.tar.gz | tar xz -C /opt",
        "curl --header A:b -o /opt/a https://x.example/a",
        "wget --header=A:b -O /opt/a https://x.example/a",
    ],
)
def test_a_download_with_headers_is_listed(bench: Bench, command: str) -> None:
    bench.write("bootstrap", "#!/bin/sh\n", 0o755)
    lines, said = from_text(bench, f"{BASE}RUN {command}\n")
    assert "archives:" not in lines
    assert "build:" not in lines
    assert f"`{command}`" in said


def test_a_checksum_of_add_is_kept(bench: Bench) -> None:
    bench.write("bootstrap", "#!/bin/sh\n", 0o755)
    digest = "ab" * 32
    add = f"ADD --checksum=sha256:{digest}"
    lines, said = from_text(
        bench,
        f"{BASE}{add} https://x.example/a.tar.gz /tmp/\nRUN tar xf /tmp/a.tar.gz -C /opt/a\n"
        f"{add} https://x.example/b /opt/b\nADD https://x.example/c.git#v1 /opt/c\n",
    )
    assert f"sha256: {digest}" in lines
    (step,) = (line for line in lines if "x.example/b" in line)
    assert f"{digest}  build/$IMAGEKIT_ARCHITECTURE/b" in step
    assert "sha256sum --check" in step
    assert "no checksum" not in said
    assert "ADD https://x.example/c.git#v1" in said


def test_a_step_has_the_packages_and_not_the_tools_that_are_copied(bench: Bench) -> None:
    text = "FROM public.ecr.aws/lambda/python:3.12\nCOPY --from=tools:1 /bin/pip /usr/local/bin/pip\n"
    text += "RUN dnf install -y gcc && pip install -r r.txt -t /var/task && dnf remove -y gcc\nCMD a.b\n"
    bench.write("r.txt")
    _, said = from_text(bench, text)
    spec = (bench.folder / "runtime.yaml").read_text()
    assert "    packages:\n      - gcc " in spec
    assert "\npackages:" not in spec
    assert "runs /usr/local/bin/pip, copied in line 2" in said


def test_the_platform_is_said_as_builders_say_it(bench: Bench) -> None:
    text = (
        "FROM alpine:3 AS b\nARG TARGETOS\nARG TARGETARCH=none\nARG TARGETPLATFORM\nARG TARGETVARIANT\nWORKDIR /w\n"
        "RUN make OS=$TARGETOS ARCH=${TARGETARCH} FOR=${TARGETPLATFORM}${TARGETVARIANT} X=${TARGETARCH:-a}\n"
        "FROM public.ecr.aws/lambda/provided:al2023\nCOPY --from=b /w/it /var/runtime/bootstrap\n"
    )
    lines, _ = from_text(bench, text)
    (step,) = (line for line in lines if "make" in line)
    assert "TARGETOS: linux" in lines
    assert 'export TARGETPLATFORM=\\"linux/$IMAGEKIT_OCI_ARCH\\"' in step
    assert 'export TARGETARCH=\\"$IMAGEKIT_OCI_ARCH\\"' in step
    assert "ARCH=$IMAGEKIT_OCI_ARCH FOR=" in step


def test_what_may_fail_in_a_stage_hides_no_other_failure(bench: Bench) -> None:
    text = (
        "FROM alpine:3 AS b\nWORKDIR /w\nCOPY --chmod=755 build.sh ./\nRUN ./build.sh\n"
        "RUN test -e x || true\nRUN make\n"
        "FROM public.ecr.aws/lambda/provided:al2023\nCOPY --from=b /w/it /var/runtime/bootstrap\n"
        "COPY --from=busybox:1 /bin/* /opt/\n"
    )
    bench.write("build.sh")
    lines, said = from_text(bench, text)
    (step,) = (line for line in lines if "make" in line)
    assert "cp /imagekit/source/build.sh /w/ && chmod 755 /w/build.sh" in step
    assert "./build.sh && (test -e x || true\\n) && make" in step
    assert "the pattern /bin/* of busybox:1" in said


@pytest.mark.parametrize(
    ("copy", "contained"),
    [
        ("COPY . .", False),
        ("COPY src ./", False),
        ("COPY go.* ./\nCOPY src ./src\nCOPY lib/ lib/", False),
        ("COPY src lib ./", True),
        ("COPY go.mod ./\nCOPY src ./", True),
        ("COPY . /", True),
        ("COPY go.mod below/", True),
        ("COPY --from=other /x ./", True),
    ],
)
def test_a_stage_that_lies_otherwise_than_the_context_runs_in_a_container(
    bench: Bench, copy: str, contained: bool
) -> None:
    for name in ("go.mod", "src/a.go", "lib/a.go"):
        bench.write(name)
    text = STAGE.format("go build -o /out/bootstrap .").replace("COPY . .", copy).replace("WORKDIR /src", "WORKDIR /w")
    lines, _ = from_text(bench, text)
    assert ('in: "golang:1.22"' in lines) is contained


@pytest.mark.parametrize(("mount", "contained"), [("target=.", False), ("type=bind,source=src,target=/x", True)])
def test_a_mounted_context_is_this_machines(bench: Bench, mount: str, contained: bool) -> None:
    bench.write("go.mod")
    bench.write("src/a.go")
    text = STAGE.format(f"--mount={mount} go build -o /out/bootstrap .").replace("COPY . .\n", "")
    lines, _ = from_text(bench, text)
    assert ('in: "golang:1.22"' in lines) is contained


def test_a_stage_in_a_folder_that_its_image_names_is_said(bench: Bench) -> None:
    bench.write("go.mod")
    text = STAGE.format("go build -o /out/bootstrap .").replace("WORKDIR /src\n", "")
    lines, said = from_text(bench, text)
    assert 'in: "golang:1.22"' in lines
    assert "Dockerfile:3: COPY into the folder that golang:1.22 starts in, which is not known" in said


def test_what_a_step_copies_although_it_is_ignored_is_said(bench: Bench) -> None:
    bench.write("go.mod")
    bench.write(".dockerignore", "node_modules\n")
    _, said = from_text(bench, STAGE.format("rm x && go build -o /out/bootstrap ."))
    assert "Dockerfile:4: the step copies what .dockerignore names" in said


def test_an_archive_that_a_stage_unpacks_is_unpacked_in_a_container(bench: Bench) -> None:
    bench.write("src.tar.gz")
    text = STAGE.format("go build -o /out/bootstrap .").replace("COPY . .", "ADD src.tar.gz /src/")
    lines, _ = from_text(bench, text)
    assert 'in: "golang:1.22"' in lines
    assert any("tar -xf /imagekit/source/src.tar.gz -C /src" in line for line in lines)


def test_a_secret_has_the_name_that_commands_know(bench: Bench) -> None:
    text = (
        "FROM alpine:3 AS b\nWORKDIR /w\nRUN --mount=type=secret,id=npm,env=NPM_TOKEN make\n"
        "RUN --mount=type=secret,id=rc,target=/root/.npmrc make it\n"
        "FROM public.ecr.aws/lambda/provided:al2023\nCOPY --from=b /w/it /var/runtime/bootstrap\n"
    )
    lines, said = from_text(bench, text)
    assert {'- "NPM_TOKEN"', "- rc"} <= lines.keys()
    assert "the secret npm, as the variable NPM_TOKEN" in said
    assert "the secret rc at /root/.npmrc" in said


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", "", "has no FROM"),
        ("RUN true\nFROM x\n", ":1:", "before the first FROM"),
        ("FROM x\nFORM y\n", ":2:", "'FORM' is no instruction"),
        ("FROM x\nRUN <<EOF\ntrue\n", ":2:", "has no end"),
        ("FROM ${NOT_SET}\n", ":1:", "is empty"),
        ("FROM a b c\n", ":1:", "AS a name"),
        ("# escape=x\nFROM a\n", ":1:", "neither a backslash"),
        ("FROM x\nCOPY\n", ":2:", "says nothing"),
        ("FROM x\nRUN \0\n", ":2:", "U+0000"),
        ("FROM x\ue000y\n", ":1:", "U+E000"),
        ("\n".join(["FROM x"] * 101), ":101:", "more than 100 stages"),
        ("FROM x\n" + "RUN a\n" * 2001, ":2001:", "more than 2,000 instructions"),
        ("FROM x\n" + "#" * (1 << 20), "", "larger than"),
    ],
)
def test_a_dockerfile_that_is_none_is_refused(bench: Bench, text: str, line: str, said: str) -> None:
    bench.write("Dockerfile", text)
    outcome = bench.run("init", "--from", "Dockerfile")
    assert outcome.code == 2
    assert said in outcome.err
    assert f"Dockerfile{line}" in outcome.err
    assert not (bench.folder / "runtime.yaml").exists()


def test_what_cannot_be_read_is_refused(bench: Bench) -> None:
    assert bench.run("init", "--from", "nowhere").code == 2
    assert bench.run("init", "--from", ".").code == 2
    bench.write("Dockerfile", b"FROM \xff\n")
    assert "UTF-8" in bench.run("init", "--from", "Dockerfile").err
    assert bench.run("init", "hello", "--from", "Dockerfile").code == 2
    assert bench.run("init", "--overwrite").code == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "one"), ("$A-$A", "one-one"), ("${B:-two}", "two"), ("${A:-two}", "one"), ("${A:+x}${B:+y}", "x"),
        ("${B-}", ""), ("${E-x}${E:-y}", "y"), ("${B:-${A}}", "one"), (r"\$A", "$A"), ("'$A'", "$A"),
        ('"$A b"', "one b"), (r'"\"\$"', '"$'), ("$", "$"), ("a$1", "a$1"),
    ],
)  # fmt: skip
def test_variables_are_what_builders_make_of_them(text: str, value: str) -> None:
    assert Scope(value={"A": "one", "E": ""}.get).expand(text) == value


@pytest.mark.parametrize("text", ["${A", "${}", "${A%x}", "'", '"', "${B:?no}", "${A:-" * 30 + "x" + "}" * 30])
def test_what_no_builder_takes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=" "):
        Scope(value={"A": "x"}.get if "?" in text or "%" in text else lambda _: None).expand(text)


@given(value=st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30))
def test_a_rendered_value_reads_as_it_was(value: str) -> None:
    assert pairs(f"NAME={quoted(value)}", Scope(value={"A": "never"}.get)) == [("NAME", value)]


STAGE = """FROM golang:1.22 AS build
WORKDIR /src
ARG OUT=/out
COPY . .
RUN {}
FROM public.ecr.aws/lambda/provided:al2023
COPY --from=build /out/bootstrap /var/runtime/bootstrap
"""


@pytest.mark.parametrize(
    "command",
    [
        "go build -o /out/bootstrap .",
        "go build -o $OUT/bootstrap .",
        "set -e && go mod download && go build -o /out/ ./...",
        "CGO_ENABLED=0 go build -o /out/bootstrap . 2>/dev/null",
    ],
)
def test_a_compiler_alone_runs_on_this_machine(bench: Bench, command: str) -> None:
    bench.write("go.mod")
    lines, said = from_text(bench, STAGE.format(command))
    assert not any(line.startswith("in:") for line in lines)
    assert "run on this machine" in said


@pytest.mark.parametrize(
    "command",
    [
        'mkdir -p src && echo "fn main(){}" > src/main.rs && go build -o /out/bootstrap . && rm -rf src',
        "rm -rf vendor; go build -o /out/bootstrap .",
        "mv a b && go build -o /out/bootstrap .",
        "apt-get install -y upx && go build -o /out/bootstrap . && rm -rf /var/lib/apt/lists/*",
        "go build -o /out/bootstrap . > log",
        "go build -o /out/bootstrap . | tee log",
        "go build -o /out/bootstrap . || rm x",
        "go build -o /usr/bin/it . && cp /usr/bin/it /out/bootstrap",
        "go build -o ../out . && go build -o /out/bootstrap .",
        "go build -o $GOPATH/bin/it . && go build -o /out/bootstrap .",
        "sed -i s/a/b/ go.mod && go build -o /out/bootstrap .",
        "go build -o ~/it . && go build -o /out/bootstrap .",
        "make install PREFIX=/out/bootstrap",
        "./build.sh /out/bootstrap",
        'go build -o /out/bootstrap -ldflags "-X main.it=$(rm x)" .',
        "go env -w A=b && go build -o /out/bootstrap .",
        "if true; then rm x; fi; go build -o /out/bootstrap .",
        "cmake -E rm -rf src && go build -o /out/bootstrap .",
        "/bin/rm x && go build -o /out/bootstrap .",
        "A=b rm x && go build -o /out/bootstrap .",
        "go build -o/etc/x /out/bootstrap",
        "cd .. && go build -o /out/bootstrap .",
        "cd /out && go build -o bootstrap .",
        "go clean && go build -o /out/bootstrap .",
        "cargo init && touch /out/bootstrap",
    ],
)
def test_what_could_hurt_the_source_runs_in_a_container(bench: Bench, command: str) -> None:
    bench.write("go.mod")
    lines, said = from_text(bench, STAGE.format(command))
    assert 'in: "golang:1.22"' in lines
    assert "on this machine, once" not in said


PIECES = st.sampled_from([
    "FROM a AS b\n", "FROM public.ecr.aws/lambda/provided:al2023\n", "FROM b\n", "RUN ", "COPY ", "COPY --from=b ",
    "ADD ", "ENV ", "LABEL ", "CMD ", "ENTRYPOINT ", "WORKDIR ", "ARG ", "a=b ", "dnf install -y ", "&& ", "; ", "|| ",
    "curl -o /x https://h/y ", "| ", "$A ", "${A:-", "} ", '"', "'", "\\", "\\\n", "\n", "<<EOF\n", "EOF\n", ". ", "/ ",
    "/var/runtime/bootstrap ", "../x ", "*.js ", '["a", "b"]\n', "[", "]", "--chmod=7 ", "#", "`", "{", "\r\n", "é ",
    "--mount=type=bind,source=x,target=/y ", "$(uname -m) ", "tar xz -C /opt ", "chmod +x /x ", "cd /y ", "\x1b",
    "FROM golang AS g\nWORKDIR /w\nCOPY . .\n", "COPY --from=g /x ", "COPY --from=g /w/* ", "go build -o /x ",
    "rm -rf src ", "--mount=type=secret,id=x,env=Y,target=/z ", "ARG TARGETOS\n", "$TARGETARCH ",
    "--checksum=sha256:0 ", "https://h/y.git#z ",
])  # fmt: skip


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(PIECES, max_size=40))
def test_any_dockerfile_becomes_a_valid_spec_or_is_refused(pieces: list[str], bench: Bench) -> None:
    bench.write("Dockerfile", "FROM public.ecr.aws/lambda/provided:al2023\n" + "".join(pieces))
    outcome = bench.run("init", "--from", "Dockerfile", "--overwrite")
    assert outcome.code in {0, 2}, outcome.err
    if outcome.code == 0:
        assert bench.run("validate").code == 0


LINES = st.sampled_from(
    [
        "WORKDIR /w",
        "WORKDIR sub",
        "COPY . .",
        "COPY src lib ./",
        "COPY go.* ./",
        "COPY --from=golang /x /y",
        "ADD a.tar.gz /",
        "RUN go build -o /x .",
        "RUN rm -rf src",
        "RUN go build -o /x . && rm -rf src",
        "RUN make || rm -rf src",
        "ENV A=/x",
        "RUN cd .. && go build -o $A .",
        "RUN --mount=target=. go build -o /x .",
        "RUN <<EOF\nrm -rf src\nEOF",
        "ARG TARGETOS",
        "RUN cat <<EOF > src\nrm -rf src\nEOF",
        'RUN ["rm", "-rf", "src"]',
        "RUN go build -o $(rm -rf src) .",
        'SHELL ["a"]',
        "RUN if true; then rm -rf src; fi",
        "RUN --mount=type=secret,id=x,target=/s make",
        "RUN go test ./... > src",
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(LINES, max_size=8), path=st.sampled_from(["/x", "/w/x", "/w/*", "/*/x", "/w/", "/y/z"]))
def test_whatever_a_stage_runs_nothing_of_it_hurts_the_source(lines: list[str], path: str, bench: Bench) -> None:
    bench.write("src/a.go")
    bench.write("go.mod")
    stage = "\n".join(["FROM golang AS b", *lines])
    bench.write("Dockerfile", f"{stage}\nFROM public.ecr.aws/lambda/provided:al2023\nCOPY --from=b {path} /opt/\n")
    bench.run("init", "--from", "Dockerfile", "--overwrite").ok()
    spec = (bench.folder / "runtime.yaml").read_text()
    for step in spec.split("  - run: ")[1:]:
        assert "    in: golang " in step or ("rm -rf src" not in step and "> src" not in step and "||" not in step), (
            spec
        )
    assert bench.run("validate").code == 0


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        stages = Stages.of(parse(data, "Dockerfile"))
    except InvalidFile:
        return
    assert stages.all


def test_the_state_of_a_stage_follows_its_instructions() -> None:
    text = b'ARG V=1\nFROM x\nARG V\nENV A=$V B="$A 2"\nWORKDIR /a\nWORKDIR b/../c/\n'
    stages = Stages.of(parse(text, "Dockerfile"))
    state = State(stages, of_base=False)
    for one in stages.all[0].instructions:
        assert state.take(one)
    assert (state.directory, state.environment) == ("/a/c", {"A": "1", "B": " 2"})
    assert json.dumps(state.variables)
