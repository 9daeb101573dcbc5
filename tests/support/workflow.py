"""Runs what a CI system runs of a workflow: the steps' shell, with their expressions put in, against what is here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


def read(path: Path) -> dict[str, Any]:
    """A workflow's document; YAML 1.1's `on` stays a word."""
    document: dict[Any, Any] = yaml.safe_load(path.read_text())
    return {"on" if key is True else key: value for key, value in document.items()}


class Job:
    """One job of a workflow in a folder of its own, as a runner has it.

    `context` gives the values of `inputs.x`, `needs.plan.outputs.y` and so on; what it lacks is empty, as there.
    """

    def __init__(self, steps: list[dict[str, Any]], folder: Path, context: Mapping[str, str], bin: Path) -> None:
        self.steps = steps
        self.folder = folder
        self.context = dict(context)
        self.bin = bin
        self.log = ""

    def run(self, environment: Mapping[str, str]) -> int:
        """Run all `run` steps until one fails; returns its code. A step named Install is left out: it is installed."""
        for step in self.steps:
            if "run" in step and step.get("name") != "Install" and self._wanted(step):
                code = self._step(step, environment)
                if code:
                    return code
        return 0

    def _step(self, step: Mapping[str, Any], environment: Mapping[str, str]) -> int:
        outputs, summary = self.folder / ".outputs", self.folder / ".summary"
        outputs.write_text("")
        assert "${{" not in step["run"], "an expression in a script can be a script"
        ran = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env={
                "PATH": f"{self.bin}:{os.environ['PATH']}",
                "GITHUB_ACTIONS": "true",
                "GITHUB_OUTPUT": str(outputs),
                "GITHUB_STEP_SUMMARY": str(summary),
                **environment,
                **{name: self.value(str(text)) for name, text in step.get("env", {}).items()},
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.log += ran.stdout
        for name, value in read_outputs(outputs.read_text()).items():
            self.context[f"steps.{step.get('id', '')}.outputs.{name}"] = value
        return ran.returncode

    def value(self, text: str) -> str:
        """A text with its expressions put in; `a || b` is the first that is not empty."""
        return _EXPRESSION.sub(lambda match: self._expression(match[1]), text)

    def _expression(self, text: str) -> str:
        for word in text.split("||"):
            if found := self.context.get(word.strip(), ""):
                return found
        return ""

    def _wanted(self, step: Mapping[str, Any]) -> bool:
        """Conditions are of the form `a == 'x' && b != ''`."""
        for part in str(step.get("if", "")).split("&&"):
            match = re.fullmatch(r"\s*(\S+)\s*(==|!=)\s*'(.*)'\s*", part)
            if match and (self.context.get(match[1], "") == match[3]) != (match[2] == "=="):
                return False
        return True


def read_outputs(text: str) -> dict[str, str]:
    """What a step wrote to GITHUB_OUTPUT."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, mark, delimiter = line.partition("<<")
        if mark and "=" not in name:
            body = []
            for more in lines:
                if more == delimiter:
                    break
                body.append(more)
            found[name] = "\n".join(body)
        else:
            name, _, value = line.partition("=")
            found[name] = value
    return found


def checkout(source: Path, target: Path, prepare: Callable[[Path], None] = lambda _: None) -> Path:
    """A copy of a folder, as another machine has it."""
    shutil.copytree(source, target, symlinks=True)
    prepare(target)
    return target
