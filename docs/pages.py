"""The site's pages that are made of what the project says of itself: its schema, its commands, its findings, its examples.

A hook of MkDocs: each function's name is the event's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from imagekit import data, errors, findings
from imagekit.cli.commands import COMMANDS, GROUPS
from imagekit.cli.frame import GLOBAL
from imagekit.cli.root import root
from imagekit.project import known
from imagekit.spec import schema

#: Files of an example that its page shows, by the language in which they are highlighted.
_SHOWN = {".go": "go", ".rs": "rust", ".cpp": "cpp", ".js": "javascript", ".mjs": "javascript", ".ts": "typescript",
          ".py": "python", ".rb": "ruby", ".php": "php", ".pl": "perl", ".lua": "lua", ".sh": "bash", ".R": "r",
          ".cs": "csharp", ".java": "java", ".swift": "swift", ".zig": "zig", ".f90": "fortran", ".cob": "cobol",
          ".cbl": "cobol"}  # fmt: skip
_LONGEST = 120


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the examples into the navigation."""
    for item in config.nav or ():
        if isinstance(item, dict) and item.get("Examples"):
            item["Examples"] = ["examples/index.md", *(f"examples/{name}.md" for name in _examples())]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that no file holds."""
    pages = {
        "reference/spec.md": spec_page(),
        "reference/commands.md": commands_page(),
        "reference/findings.md": findings_page(),
        "examples/index.md": examples_page(),
        **{f"examples/{name}.md": example_page(folder) for name, folder in _examples().items()},
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


# --- the spec ---------------------------------------------------------------------------------------------------------


def spec_page() -> str:
    """Every key, from the JSON Schema."""
    names = known()
    document = schema.document(names.languages, names.systems)
    lines = ["# The spec", "", document["description"], "", "Required: " + _codes(document["required"]) + ".", ""]
    lines.append("`imagekit schema` prints the schema, `imagekit schema --install` lets editors complete by it.\n")
    for name, value in document["properties"].items():
        lines += _key(name, value, document, 2)
    return "\n".join(lines)


def _key(name: str, value: Mapping[str, Any], document: Mapping[str, Any], depth: int) -> Iterator[str]:
    """One key and those below it."""
    found = _resolved(value, document)
    yield f"{'#' * min(depth, 4)} `{name}`\n"
    yield f"{found.get('description', '')}\n"
    if "enum" in found:
        yield f"One of {_codes(found['enum'])}.\n"
    for example in found.get("examples", ())[:2]:
        yield f"```yaml\n{name.rpartition('.')[2]}: {json.dumps(example, ensure_ascii=False)}\n```\n"
    if depth < 4:
        for key, below in _below(found, document):
            yield from _key(f"{name}.{key}", below, document, depth + 1)


def _below(value: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The keys of a mapping, or of the mappings in a list."""
    seen = set()
    branches = [value, *value.get("anyOf", ()), *value.get("oneOf", ())]
    for branch in branches:
        branch = _resolved(branch, document)
        if "items" in branch:
            branch = _resolved(branch["items"], document)
        for inner in (branch, *(_resolved(one, document) for one in branch.get("anyOf", ()))):
            for key, below in inner.get("properties", {}).items():
                if key not in seen:
                    seen.add(key)
                    yield key, below


def _resolved(value: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in value:
        return value
    return {**_resolved(schema.referred(value["$ref"], document), document), **value}


# --- the command line -------------------------------------------------------------------------------------------------


def commands_page() -> str:
    """Every command with its options, from the program itself."""
    lines = ["# The command line", "", "Every option is also a variable: `IMAGEKIT_` and its name.", ""]
    top = root()
    context = click.Context(top, info_name="imagekit")
    assert isinstance(top, click.Group)
    for group in GROUPS:
        names = [entry.name for entry in COMMANDS.values() if entry.group == group]
        lines += [f"## {group.capitalize()}", ""]
        for name in names:
            command = top.get_command(context, name)
            assert command is not None
            lines += _command(f"imagekit {name}", command, context, 3)
    lines += ["## Options of every command", "", *_options(GLOBAL, context)]
    return "\n".join(lines)


def _command(name: str, command: click.Command, parent: click.Context, depth: int) -> Iterator[str]:
    context = click.Context(command, info_name=name.rpartition(" ")[2], parent=parent)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    yield f"{'#' * depth} `{name}`\n"
    yield f"    {usage}\n"
    yield f"{(command.help or '').strip()}\n"
    yield from _options([one for one in command.params if one not in GLOBAL], context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from _command(f"{name} {below}", found, context, depth + 1)


def _options(parameters: Sequence[click.Parameter], context: click.Context) -> Iterator[str]:
    records = [one.get_help_record(context) for one in parameters if isinstance(one, click.Option)]
    rows = [f"| `{name}` | {_cell(text)} |" for name, text in filter(None, records)]
    if rows:
        yield "\n".join(["| option | |", "|---|---|", *rows]) + "\n"


# --- findings, errors, exit codes -------------------------------------------------------------------------------------


def findings_page() -> str:
    """Codes of findings, and every error with its exit code."""
    lines = ["# Findings, errors, exit codes", "", "## Exit codes", "", "| exit | error | what it is | what to do |", "|---|---|---|---|"]
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.ImagekitError)]
    for one in sorted(classes[1:], key=lambda item: item.exit_code):
        summary = (one.__doc__ or "").strip().splitlines()[0]
        lines.append(f"| {one.exit_code} | {one.__name__} | {_cell(summary)} | {_cell(one.advice)} |")
    lines += ["", "## Findings", "", "`accept` in a spec takes them as they are.", "", "| code | |", "|---|---|"]
    lines = [line for line in lines if "`accept`" not in line]
    lines += [f"| {code} | {_cell(text)} |" for code, text in findings.CODES.items()]
    return "\n".join(lines) + "\n"


# --- examples ---------------------------------------------------------------------------------------------------------


def examples_page() -> str:
    """The list of all."""
    rows = [f"| [{name}]({name}.md) | {_summary(folder)} |" for name, folder in _examples().items()]
    return "\n".join(["# Examples", "", "`imagekit init NAME` copies one.", "", "| | |", "|---|---|", *rows]) + "\n"


def example_page(folder: Path) -> str:
    """One example as a tutorial: what it is, its files, what to run."""
    name = folder.name
    lines = [(folder / "README.md").read_text().strip(), "", "## From nothing", ""]
    lines += ["```console", f"$ imagekit init {name} --directory {name}", f"$ cd {name}", "$ imagekit doctor"]
    lines += ["$ imagekit build", "$ imagekit test", "```", "", "## Its files", ""]
    for path in sorted(folder.rglob("*")):
        language = "yaml" if path.name == "runtime.yaml" else _SHOWN.get(path.suffix, "")
        if path.is_file() and language and len(path.read_text().splitlines()) <= _LONGEST:
            lines += [f"`{path.relative_to(folder)}`", "", f"```{language}", path.read_text().rstrip(), "```", ""]
    return "\n".join(lines)


def _examples() -> Mapping[str, Path]:
    return {name: path.parent for name, path in data.named(data.specs(), "runtime.yaml").items()}


def _summary(folder: Path) -> str:
    """The first sentence of its README."""
    text = " ".join((folder / "README.md").read_text().split("\n\n")[1].split())
    return _cell(text.partition(". ")[0].rstrip("."))


def _codes(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
