"""What somebody may write wrong: each with its place, code and hint, whole."""

import pytest

from imagekit.findings import Severity

#: Three lines, so that whatever is wrong in the examples stands from line 4 on.
HEAD = "name: app\nlanguage: scripted\nos: linux1\n"
HANDLER = "handler: a.b\n"
KEYS = (
    "valid keys here: architectures, archives, base, bootstrap, build, certificates, engine, environment, extends, "
    "files, handler, kind, labels, language, name, os, packages, push, remove, repositories, root, run, scriptlets, "
    "slim, tests, upgrade, version, weak_dependencies"
)
ROOT = "write it relative to `root`, which is the spec's folder when left out"
VERSION = "it has to be letters, digits and . + _ -, at most 64, beginning with a letter or a digit"
NAME = "it has to be lower-case letters, digits and hyphens, at most 63, beginning with a letter"
HANDLER_HINT = "add what Lambda calls, for example `handler: index.handler`, or say `kind: runtime`"
BOOTSTRAP_HINT = "add the executable that speaks the Runtime API: `bootstrap: {path: build/bootstrap}`"
WRONG = [
    ("handlr: a", "4:1", "IK0101", f"did you mean `handler`? {KEYS}"),
    ("qqq: a", "4:1", "IK0101", KEYS),
    ("packages: ['@tools']", "4:12", "IK0104", "name the packages that you need of it"),
    ("packages: [' jq']", "4:12", "IK0104", "write the name as `dnf install` takes it"),
    ("packages: [-jq]", "4:12", "IK0104", "write the name as `dnf install` takes it"),
    ("packages: [tool.rpm]", "4:12", "IK0104", "begin its path with ./: './tool.rpm'"),
    ("packages: [./tool]", "4:12", "IK0104", "what goes in as it is stands under `files`"),
    ("packages: [../../tool.rpm]", "4:12", "IK0104", "set `root` to a folder that holds both, such as `root: ..`"),
    (
        f"packages: [{{name: jq, sha256: '{'0' * 64}'}}]",
        "4:31",
        "IK0107",
        "the lock has the checksum of what comes out of a package repository",
    ),
    ("run: [true]", "4:6", "IK0107", "add `engine: docker`, or build with --engine docker"),
    ("engine: podman", "4:9", "IK0104", "valid values: native, docker"),
    ("run: true", "4:6", "IK0103", 'for example `run: ["localedef -i de_DE -f UTF-8 de_DE.UTF-8"]`'),
    ("remove: [-curl]", "4:10", "IK0104", "write the name as `dnf install` takes it"),
    ("upgrade: ['@all']", "4:11", "IK0104", "name the packages that you need of it"),
    (
        "repositories: [{name: a, baseurl: 'https://a/{releasver}'}]",
        "4:35",
        "IK0105",
        "did you mean `releasever`? "
        "valid placeholders here: version, architecture, oci_arch, rpm_arch, name, tool_arch, releasever",
    ),
    (
        "repositories: [{name: a, baseurl: 'ftp://a/'}]",
        "4:35",
        "IK0104",
        "an archive comes from an https:// or http:// URL, or is a path below `root`",
    ),
    ("repositories: [{name: a, baseurl: 'https://a', mirrorlist: 'https://b'}]", "4:60", "IK0107", "keep one of them"),
    (
        "repositories: [{name: a, baseurl: 'https://a'}, {name: a, baseurl: 'https://b'}]",
        "4:56",
        "IK0107",
        "give each its own name",
    ),
    (
        "repositories: [{name: a, baseurl: 'https://a', gpgkey: 'https://a/key'}]",
        "4:56",
        "IK0102",
        "add the `fingerprint` that its owner publishes, or put the key into a file below `root`",
    ),
    (
        f"repositories: [{{name: a, baseurl: 'https://a', fingerprint: {'A' * 40}}}]",
        "4:61",
        "IK0107",
        "add the key itself",
    ),
    (
        "certificates: [/etc/ca.pem]",
        "4:16",
        "IK0104",
        "write it relative to `root`, which is the spec's folder when left out",
    ),
    ("package: [jq]", "4:1", "IK0101", f"did you mean `packages`? {KEYS}"),
    (
        "bootstrap: {commnd: [/a]}",
        "4:13",
        "IK0101",
        "did you mean `command`? valid keys here: channel, command, deadline_margin, image, max_workers, path, "
        "paths, per_event, shutdown, worker",
    ),
    ("bootstrap: {command: [/a], path: b}", "4:22", "IK0107", "keep one of them"),
    ("bootstrap: {worker: [/a], per_event: [/a]}", "4:38", "IK0107", "keep one of them"),
    (
        "bootstrap: {shutdown: graceful}",
        "4:12",
        "IK0102",
        "add one of `path`, `worker`, `per_event`, `command`, `image`",
    ),
    ("bootstrap: {worker: [app]}", "4:22", "IK0104", "begin it with /: '/app'"),
    ("bootstrap: {worker: []}", "4:21", "IK0104", "put something in, or leave the key out"),
    ("bootstrap: {worker: [/a], channel: tcp}", "4:36", "IK0104", "valid values: pipes, socket"),
    (
        "bootstrap: {per_event: [/a], channel: socket}",
        "4:39",
        "IK0107",
        "remove it, or start the program with `worker`",
    ),
    (
        "bootstrap: {command: [/a], shutdown: graceful}",
        "4:38",
        "IK0107",
        "remove it, or start the program with `worker` or `per_event`",
    ),
    (
        "bootstrap: {path: a, max_workers: 2}",
        "4:35",
        "IK0107",
        "remove it, or start the program with `worker` or `per_event`",
    ),
    (
        "bootstrap: {image: a/b}",
        "4:12",
        "IK0102",
        "add what is taken out of the image, for example `paths: [/opt, /var/runtime/bootstrap]`",
    ),
    ("bootstrap: {path: a, paths: [/var/runtime]}", "4:29", "IK0107", "add the `image` that they are taken out of"),
    ("bootstrap: {image: a/b, paths: [/opt]}", "4:32", "IK0107", "add /var/runtime/bootstrap, or a folder above it"),
    ("bootstrap: {image: a/b, paths: [opt, /var]}", "4:33", "IK0104", "begin it with /: '/opt'"),
    ("bootstrap: {image: A, paths: [/var]}", "4:20", "IK0104", "write host/name:tag, host/name@sha256:… or oci:DIR"),
    (
        "bootstrap: {image: {arm64: a}, paths: [/var]}",
        "4:20",
        "IK0102",
        "add `x86_64: …`, or say what the item is for with `only`",
    ),
    ("bootstrap: {image: a/b, path: c, paths: [/var]}", "4:20", "IK0107", "keep one of them"),
    ("bootstrap: {worker: [/a], max_workers: 0}", "4:40", "IK0104", "it has to be at least 1"),
    (
        "bootstrap: {worker: [/a, '{wrong}']}",
        "4:26",
        "IK0105",
        "valid placeholders here: version, architecture, oci_arch, rpm_arch, name, tool_arch",
    ),
    ("push: {tag: [a]}", "4:8", "IK0101", "did you mean `tags`? valid keys here: tags, to"),
    ("base: {arm: a, x86_64: b, arm64: c}", "4:8", "IK0101", "did you mean `arm64`? valid keys here: arm64, x86_64"),
    ("archives: [{source: 'https://a/b'}]", "4:12", "IK0102", "add it, for example `target: /opt/tool`"),
    ("files: [{target: /a}]", "4:9", "IK0102", "add it, for example `source: src/`"),
    ("build: {directory: a}", "4:8", "IK0102", "add it, for example `run: make bootstrap`"),
    ("bootstrap: {}", "4:12", "IK0104", "put something in, or leave the key out"),
    ("version:", "4:9", "IK0103", "give it text, or leave the key out"),
    ("version: ~", "4:10", "IK0103", "give it text, or leave the key out"),
    ("environment: {A: null}", "4:18", "IK0103", 'give it text, or leave the key out; an empty text is ""'),
    ("files:", "4:7", "IK0103", "give it a list, or leave the key out"),
    ("base:", "4:6", "IK0103", "give it text or a mapping, or leave the key out"),
    ("version: [1]", "4:10", "IK0103", "for example `version: 19.9.0`"),
    (
        "files: {source: a, target: /b}",
        "4:8",
        "IK0103",
        'for example `files: [{"source": "src/", "target": "/var/task", "exclude": ["*.test.js"]}]`',
    ),
    ("tests: [{name: a, event: 1, event_file: b}]", "4:41", "IK0107", "keep one of them"),
    ("tests: [{name: a, expect: 1, error: b}]", "4:37", "IK0107", "keep one of them"),
    ("tests: [{name: a}, {name: a}]", "4:27", "IK0107", "give each its own name"),
    ("tests: [{name: a, event: {n: .inf}}]", "4:26", "IK0104", "JSON has neither .inf nor .nan, and no keys but texts"),
    ("tests: [{name: a, match: part}]", "4:26", "IK0104", "valid values: exact, subset"),
    ("tests: [{name: a, code: ../x}]", "4:25", "IK0104", "set `root` to a folder that holds both, such as `root: ..`"),
    ("tests: [{event: 1}]", "4:9", "IK0102", "add it, for example `name: doubles`"),
    ("build: [[a]]", "4:9", "IK0103", "for example `make bootstrap`"),
    ("push: {tags: [{version}]}", "4:15", "IK0103", 'put a placeholder in quotes: "{version}"'),
    (
        "archives: [{source: 'https://a/b', target: /c, strip: one}]",
        "4:55",
        "IK0103",
        "for example `strip: 1`",
    ),
    (
        "archives: [{source: 'https://a/b', target: /c, strip: '1'}]",
        "4:55",
        "IK0103",
        "for example `strip: 1`",
    ),
    (
        "archives: [{source: 'https://a/b', target: /c, strip: 65}]",
        "4:55",
        "IK0104",
        "it has to be at most 64",
    ),
    (
        "archives: [{source: 'https://a/b', target: /c, strip: -1}]",
        "4:55",
        "IK0104",
        "it has to be at least 0",
    ),
    (
        "archives: [{source: 'https://a/b', target: /c, sha256: ABC}]",
        "4:56",
        "IK0104",
        "it has to be 64 lower-case hexadecimal digits",
    ),
    ("kind: functoin", "4:7", "IK0104", "did you mean `function`? valid values: function, runtime"),
    ("architectures: [arm]", "4:17", "IK0104", "did you mean `arm64`? valid values: x86_64, arm64"),
    ("architectures: []", "4:16", "IK0104", "put something in, or leave the key out"),
    (
        "build: {run: a, in: base}",
        "4:8",
        "IK0102",
        "name what it makes, below `directory`: `outputs: [build/{architecture}]`",
    ),
    (
        "build: {run: a, in: 'Not an image', outputs: ['{architecture}']}",
        "4:21",
        "IK0104",
        "write host/name:tag, host/name@sha256:… or oci:DIR",
    ),
    ("build: {run: a, in: base, outputs: ['/b/{architecture}']}", "4:37", "IK0104", ROOT),
    (
        "build: {run: a, in: base, outputs: [b/node_modules]}",
        "4:37",
        "IK0107",
        "name build/{architecture}/node_modules, and let the command write to build/$IMAGEKIT_ARCHITECTURE",
    ),
    (
        "build: {run: a, in: base, outputs: [.], only: [arm64]}",
        "4:37",
        "IK0104",
        "name the files and folders that the command makes",
    ),
    ("build: {run: a, packages: [gcc]}", "4:27", "IK0107", "add `in: base` or an image, or remove `packages`"),
    ("build: {run: a, outputs: [b]}", "4:26", "IK0107", "add `in: base` or an image, or remove `outputs`"),
    ("build: {run: a, secrets: [A-B]}", "4:27", "IK0104", "use letters, digits and _, and begin with no digit"),
    ("build: {run: a, secrets: [A], environment: {A: b}}", "4:27", "IK0107", "remove it from `environment`"),
    ("build: {run: a, secrets: [IMAGEKIT_CACHE]}", "4:27", "IK0107", "choose another name"),
    ("build: {run: a, timeout: 0}", "4:26", "IK0104", "it has to be at least 1"),
    ("build: ''", "4:8", "IK0104", "it has to be a shell command, not empty"),
    (
        'version: "1\\n"',
        "4:10",
        "IK0104",
        "it has to be letters, digits and . + _ -, at most 64, beginning with a letter or a digit",
    ),
    (
        "version: ../1",
        "4:10",
        "IK0104",
        "it has to be letters, digits and . + _ -, at most 64, beginning with a letter or a digit",
    ),
    (
        "files: [{source: a, target: /b, mode: 755}]",
        "4:39",
        "IK0104",
        "did you mean `0755`? valid values: 0644, 0755",
    ),
    ("environment: {A-B: 1}", "4:15", "IK0104", "use letters, digits and _, and begin with no digit"),
    ("labels: {a b: 1}", "4:10", "IK0104", "use printable ASCII without spaces and ="),
    ("labels: {'': 1}", "4:10", "IK0104", "use printable ASCII without spaces and ="),
    ("files: [{source: a, target: opt}]", "4:29", "IK0104", "begin it with /: '/opt'"),
    ("files: [{source: a, target: /a/../b}]", "4:29", "IK0104", "write the path out"),
    ("files: [{source: a, target: /a//b}]", "4:29", "IK0104", "write the path out"),
    ("files: [{image: a, source: b, target: /c}]", "4:28", "IK0104", "begin it with /: '/b'"),
    (
        "files: [{source: a/../../b, target: /c}]",
        "4:18",
        "IK0104",
        "set `root` to a folder that holds both, such as `root: ..`",
    ),
    (
        "files: [{source: /a, target: /c}]",
        "4:18",
        "IK0104",
        "write it relative to `root`, which is the spec's folder when left out",
    ),
    (
        "build: {run: a, directory: ..}",
        "4:28",
        "IK0104",
        "set `root` to a folder that holds both, such as `root: ..`",
    ),
    (
        "build: [{run: a, inputs: [b, ../c]}]",
        "4:30",
        "IK0104",
        "set `root` to a folder that holds both, such as `root: ..`",
    ),
    (
        "archives: [{source: 's3://bucket/a.zip', target: /c}]",
        "4:21",
        "IK0104",
        "an archive comes from an https:// or http:// URL, or is a path below `root`",
    ),
    (
        "archives: [{source: ../a.zip, target: /c}]",
        "4:21",
        "IK0104",
        "set `root` to a folder that holds both, such as `root: ..`",
    ),
    ("base: https://a/b:c", "4:7", "IK0104", "leave out the scheme: host/name:tag"),
    ("base: Corp/Base", "4:7", "IK0104", "write host/name:tag, host/name@sha256:… or oci:DIR"),
    ("push: {to: ['a.b/c:d']}", "4:13", "IK0104", "tags go under `push.tags`"),
    ("push: {to: ['https://a.b/c']}", "4:13", "IK0104", "leave out the scheme: host/name"),
    ("push: {to: [a.b/C]}", "4:13", "IK0104", "write host/name with lower-case letters, digits and . _ - in the name"),
    ("push: {tags: [.a]}", "4:15", "IK0104", "use letters, digits and _ . - and begin with none of . -"),
    (
        f"push: {{tags: [{'a' * 122}]}}",
        "4:15",
        "IK0104",
        "a tag has at most 121: imagekit appends the architecture",
    ),
    (
        "files: [{source: '{tol_arch}', target: /a}]",
        "4:18",
        "IK0105",
        "did you mean `tool_arch`? valid placeholders here: version, architecture, oci_arch, rpm_arch, name, tool_arch",
    ),
    (
        "files: [{source: 'a{', target: /a}]",
        "4:18",
        "IK0105",
        "a placeholder is written {version}; write {{ and }} for braces",
    ),
    ("environment: {A: '{version}'}", "4:18", "IK0105", "valid placeholders here: base.NAME"),
    (
        "environment: {A: '{\"a\": 1}'}",
        "4:18",
        "IK0105",
        "a placeholder is written {base.NAME}; write {{ and }} for braces",
    ),
    (
        "push: {tags: ['{architecture}']}",
        "4:15",
        "IK0105",
        "leave it out: imagekit appends the architecture to the tags of single platforms",
    ),
    ("environment: {AWS_REGION: x}", "4:15", "IK0106", "remove it, or choose another name"),
    ("environment: {LAMBDA_TASK_ROOT: x}", "4:15", "IK0106", "remove it, or choose another name"),
    ("push: {tags: ['{version}']}", "4:15", "IK0102", 'add the language\'s version, for example `version: "1.2.3"`'),
    ("base: {arm64: a}", "4:7", "IK0102", "add `x86_64: …`, or say what the item is for with `only`"),
    (
        "archives: [{source: {x86_64: 'https://a'}, target: /a}]",
        "4:21",
        "IK0102",
        "add `arm64: …`, or say what the item is for with `only`",
    ),
]


@pytest.mark.parametrize(("line", "place", "code", "hint"), WRONG, ids=[row[0][:50] for row in WRONG])
def test_one_wrong_line_is_one_finding(problems_of, line, place, code, hint):
    (finding,) = problems_of(f"{HEAD}{line}\n{HANDLER}")
    assert (str(finding.place), finding.code, finding.hint) == (f"runtime.yaml:{place}", code, hint)
    assert finding.place is not None
    assert finding.place.excerpt == line
    assert finding.severity is Severity.ERROR


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (
            "handler: a\n",
            [
                ("1:1", "IK0102", "add it, for example `name: orders`"),
                ("1:1", "IK0102", "add it, for example `language: bare`"),
                ("1:1", "IK0102", "add it, for example `os: linux1`"),
            ],
        ),
        (
            HEAD,
            [("1:1", "IK0102", HANDLER_HINT)],
        ),
        (
            HEAD.replace("scripted", "scriptd") + HANDLER,
            [("2:11", "IK0201", "did you mean `scripted`? valid values: bare, compiled, scripted")],
        ),
        (
            HEAD.replace("linux1", "linux") + HANDLER,
            [("3:5", "IK0202", "did you mean `linux2`? valid values: linux1, linux2")],
        ),
        (
            HEAD.replace("app", "My App") + HANDLER,
            [
                (
                    "1:7",
                    "IK0104",
                    "it has to be lower-case letters, digits and hyphens, at most 63, beginning with a letter",
                )
            ],
        ),
        (
            HEAD.replace("scripted", "bare") + HANDLER,
            [
                (
                    "1:1",
                    "IK0102",
                    "add the executable that speaks the Runtime API: `bootstrap: {path: build/bootstrap}`",
                ),
                ("1:1", "IK0102", 'add the language\'s version, for example `version: "1.2.3"`'),
            ],
        ),
    ],
)
def test_what_is_missing_or_wrong_at_the_top(problems_of, text, rows):
    found = [(str(one.place), one.code, one.hint) for one in problems_of(text)]
    assert sorted(found) == sorted((f"runtime.yaml:{place}", code, hint) for place, code, hint in rows)


def test_all_problems_come_at_once_and_in_order(problems_of):
    text = (
        "name: A\nlanguage: scripted\nos: linux1\nhandler: {a: 1}\nlabel: {}\n"
        "environment: {AWS_REGION: x, B: }\nfiles:\n- {source: a}\n- {source: ../b, target: c}\n"
        "archives:\n- source: {x86_64: ''}\n  target: /a\n"
    )
    found = [f"{one.place} {one.code}".removeprefix("runtime.yaml:") for one in problems_of(text)]
    assert found == [
        "1:7 IK0104",
        "4:10 IK0103",
        "5:1 IK0101",
        "6:15 IK0106",
        "6:33 IK0103",
        "8:3 IK0102",
        "9:12 IK0104",
        "9:26 IK0104",
        "11:11 IK0102",
        "11:20 IK0104",
    ]


def test_broken_text_in_one_file_hides_nothing_in_another(problems_of):
    texts = {"runtime.yaml": "extends: base.yaml\nname: [\n", "base.yaml": "labl: 1\nos: linux\nfiles: 1\n"}
    assert [f"{one.place} {one.code}" for one in problems_of(texts)] == [
        "base.yaml:1:1 IK0101",
        "base.yaml:2:5 IK0202",
        "base.yaml:3:8 IK0103",
        "runtime.yaml:3:1 IK0002",
    ]


@pytest.mark.parametrize(
    ("texts", "row"),
    [
        ({}, ("runtime.yaml", "IK0001", "name a spec, or the folder that holds a runtime.yaml")),
        (
            {"runtime.yaml": "extends: [~]"},
            ("runtime.yaml:1:11", "IK0103", "write a path relative to this file, or a list of them"),
        ),
        ({"runtime.yaml": "extends: a.yaml"}, ("runtime.yaml:1:10", "IK0001", "correct the path")),
        (
            {"runtime.yaml": "extends: runtime.yaml"},
            ("runtime.yaml:1:10", "IK0006", "take one of them out of `extends`"),
        ),
        (
            {"runtime.yaml": "extends: a.yaml", "a.yaml": "extends: [b.yaml]", "b.yaml": "extends: ./a.yaml"},
            ("b.yaml:1:10", "IK0006", "take one of them out of `extends`"),
        ),
        (
            {"runtime.yaml": "extends: {a: b}"},
            ("runtime.yaml:1:10", "IK0103", "write a path relative to this file, or a list of them"),
        ),
        (
            {"runtime.yaml": "extends: 'https://a/b.yaml'"},
            ("runtime.yaml:1:10", "IK0104", "copy the file next to the spec"),
        ),
    ],
)
def test_what_cannot_be_extended(problems_of, texts, row):
    (finding,) = problems_of(texts)
    assert (str(finding.place), finding.code, finding.hint) == row


def test_a_long_chain_of_extends_ends(problems_of):
    texts = {f"{n}.yaml": f"extends: {n + 1}.yaml\n" for n in range(100)}
    (finding,) = problems_of({"runtime.yaml": "extends: 0.yaml\n", **texts})
    assert (str(finding.place), finding.code) == ("14.yaml:1:10", "IK0005")


def test_many_problems_are_cut_off(problems_of):
    findings = problems_of(HEAD + HANDLER + "".join(f"k{n}: 1\n" for n in range(5000)))
    assert len(findings) == 100
    findings = problems_of(HEAD + "handler: {}\nbuild: [" + "{}," * 5000 + "]\n")
    assert len(findings) == 100


WARNED = [
    ("handler: a\nkind: runtime\n", "4:1", "IK0107"),
    ("handler: a\nenvironment: {_A: b}\n", "5:15", "IK0106"),
    ("handler: a\narchitectures: [arm64]\nbuild: [{run: a, only: [arm64, x86_64]}]\n", "6:32", "IK0107"),
]


@pytest.mark.parametrize(("text", "place", "code"), WARNED)
def test_what_is_only_odd_is_a_warning(read_all, text, place, code):
    spec, (warning,) = read_all(HEAD + text)
    assert spec.name == "app"
    assert (str(warning.place), warning.code, warning.severity) == (f"runtime.yaml:{place}", code, Severity.WARNING)


@pytest.mark.parametrize(
    "line",
    [
        "files: [{source: ., target: /}]",
        "files: [{source: a/../b, target: /var/task/}]",
        "files: [{source: '{{a}}', target: /a}]",
        "files: [{source: '{tool_arch}/x', target: '/{name}'}]",
        "archives: [{source: {arm64: 'http://a'}, target: /a, only: [arm64]}]",
        "base: 'oci:a b/c'",
        "base: public.ecr.aws/lambda/provided:al2023",
        f"base: 'localhost:5000/a/b:c@sha256:{'0' * 64}'",
        "base: '{name}'",
        "push: {to: ['[::1]:5000/a', localhost/a/b_c, a__b]}",
        "environment: {PATH: '/a:{base.PATH}', LANG: C, LD_LIBRARY_PATH: '$X', J: '{{}}'}",
        "labels: {x: '{not a placeholder'}",
        "build: 'echo ${X} {y'",
    ],
)
def test_what_is_right_though_it_may_look_odd(spec_of, line):
    assert spec_of(f"{HEAD}{line}\n{HANDLER}").name == "app"


def test_a_step_cannot_be_told_of_a_program_that_the_spec_does_not_name(problems_of):
    (finding,) = problems_of(f"{HEAD}{HANDLER}bootstrap: {{worker: [/a]}}\nbuild: make $IMAGEKIT_OUTPUT")
    assert (finding.code, str(finding.place)) == ("IK0107", "runtime.yaml:6:8")
    assert "name it under `files`" in finding.hint
