"""What every command and option of imagekit has in common, over click."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from imagekit.cli.session import GlobalOptions, Session

_Function = TypeVar("_Function", bound=Callable[..., Any])

_PREFIX: Final = "IMAGEKIT_"


class Option(click.Option):
    """An option whose variable is `IMAGEKIT_` and the flag's name, whatever the command; lists in it have commas."""

    def __init__(self, declarations: Any = None, *, from_environment: bool = True, **settings: Any) -> None:
        super().__init__(declarations, **settings)
        flag = max((text for text in self.opts if text.startswith("--")), key=len, default="")
        if from_environment and flag:
            self.envvar = _PREFIX + flag.removeprefix("--").replace("-", "_").upper()

    def value_from_envvar(self, ctx: click.Context) -> Any:
        """The variable's value; click would split it at spaces."""
        if not self.multiple:
            return super().value_from_envvar(ctx)
        text = self.resolve_envvar_value(ctx)
        return None if text is None else tuple(filter(None, map(str.strip, text.split(","))))


def option(*declarations: str, **settings: Any) -> Callable[[_Function], _Function]:
    """`click.option` with imagekit's class."""
    return click.option(*declarations, cls=Option, **settings)


class _WithGlobals(click.Command):
    """Takes the options of every command beside its own."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        return [*own[:-1], *GLOBAL, *own[-1:]]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        everything = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
        own = [one for one in everything if one not in GLOBAL]
        for title, options in (("Options", own), ("Options of every command", GLOBAL)):
            with formatter.section(title):
                formatter.write_dl([record for one in options if (record := one.get_help_record(ctx))])


class Command(_WithGlobals):
    """A command."""


class Group(_WithGlobals, click.Group):
    """A command with commands of its own."""

    command_class = Command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands come last."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def command(name: str, **settings: Any) -> Callable[[Callable[..., Any]], Command]:
    """A command under the name that the table has; the docstring is its help."""
    return click.command(name, cls=Command, **settings)


def group(name: str, **settings: Any) -> Callable[[Callable[..., Any]], Group]:
    """A group under the name that the table has."""
    return click.group(name, cls=Group, **settings)


def pass_session(function: _Function) -> _Function:
    """Give the session as the first argument, with logging set up by the options that are known by then."""
    from functools import update_wrapper

    def with_session(*arguments: Any, **named: Any) -> Any:
        session = click.get_current_context().find_object(Session)
        assert session is not None, "the root command makes a session"
        session.listen()
        return function(session, *arguments, **named)

    return update_wrapper(with_session, function)  # type: ignore[return-value]  # less its first argument


def _take(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Put a global option into the session: one after the command wins, repeatable ones add to those before."""
    session = context.find_object(Session)
    name = str(parameter.name)
    source = context.get_parameter_source(name)
    if session is None or context.resilient_parsing or source in (None, ParameterSource.DEFAULT):
        return
    if isinstance(value, tuple) and _stood_before(name, context.parent):
        value = (*getattr(session.options, name), *value)
    session.options = replace(session.options, **{name: value})


def _stood_before(name: str, context: click.Context | None) -> bool:
    """True when the option was written before the command already."""
    while context is not None:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            return True
        context = context.parent
    return False


def global_options(*, from_environment: bool) -> list[click.Parameter]:
    """The options of `GlobalOptions`. Variables are read once, before the command, so that a flag always wins."""
    settings: dict[str, Any] = {"callback": _take, "expose_value": False, "from_environment": from_environment}
    made: list[click.Parameter] = [
        Option(["-v", "--verbose"], is_flag=True, help="Show requests, and tracebacks of errors.", **settings),
        Option(["-q", "--quiet"], is_flag=True, help="Show no progress.", **settings),
        Option(["--cache-dir"], metavar="FOLDER", help="Where results are kept.", **settings),
        Option(["--mirror"], metavar="HOST=MIRROR", multiple=True, help="Read a host from a mirror.", **settings),
        Option(["--insecure"], metavar="HOST", multiple=True, help="Speak plain http to a host.", **settings),
        Option(["--ca-file"], metavar="FILE", help="Trust the authorities in this file, too.", **settings),
        Option(["--offline"], is_flag=True, help="Never touch the network.", **settings),
    ]
    assert {one.name for one in made} == {one.name for one in fields(GlobalOptions)}
    return made


GLOBAL: Final = global_options(from_environment=False)
