"""The command `imagekit` itself: finds commands by the table, and imports the one that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click

from imagekit import __version__
from imagekit.cli.commands import COMMANDS, GROUPS
from imagekit.cli.frame import global_options
from imagekit.cli.session import Session
from imagekit.errors import UsageError

#: As it is typed, and the variable in which a shell asks for completions.
NAME: Final = "imagekit"
COMPLETE: Final = "_IMAGEKIT_COMPLETE"
_EPILOG: Final = """\
Every option is also a variable: IMAGEKIT_ and its name, such as IMAGEKIT_MIRROR; lists have commas.

Exit codes: 0 done; 1 something was found; 2 the spec or the command line is not valid; 3 the build failed;
4 a registry or the network failed; 5 this machine lacks something; 70 a bug; 130 interrupted.
"""


class _Root(click.Group):
    """Commands out of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from importlib import import_module

        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(import_module(entry.module), entry.name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in COMMANDS or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        from imagekit.spec.nearest import hint

        raise UsageError(f"there is no command {args[0]!r}", hint=hint(args[0], COMMANDS, "commands"))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for group in GROUPS:
            rows = [(entry.name, entry.help) for entry in COMMANDS.values() if entry.group == group]
            if rows:
                with formatter.section(group.capitalize()):
                    formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(one.name, help=one.help) for one in COMMANDS.values() if one.name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


def root() -> click.Command:
    """The command `imagekit`."""
    return _Root(
        NAME,
        params=[*global_options(from_environment=True), _version_option()],
        help="Container images for AWS Lambda custom runtimes: one YAML file in, a multi-arch image out.",
        epilog=_EPILOG,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
        subcommand_metavar="COMMAND [OPTIONS] …",
        no_args_is_help=False,
    )


def invoke(arguments: Sequence[str], session: Session) -> int:
    """Run the command that the arguments name; returns the exit code, raises what the command raises."""
    if instruction := session.environment.get(COMPLETE):
        from click.shell_completion import shell_complete

        return shell_complete(root(), {}, NAME, COMPLETE, instruction)
    if not arguments:
        click.echo(root().make_context(NAME, [], obj=session).get_help(), err=True)
        return UsageError.exit_code
    try:
        with root().make_context(NAME, list(arguments), obj=session) as context:
            context.command.invoke(context)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    return 0


def _version_option() -> click.Option:
    def show(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        if value and not context.resilient_parsing:
            click.echo(f"{NAME} {__version__}")
            context.exit()

    return click.Option(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show, help="Show the version and exit."
    )
