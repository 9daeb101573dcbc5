"""`imagekit completion`."""

from __future__ import annotations

import click

from imagekit.cli.frame import command
from imagekit.cli.session import write
from imagekit.errors import UsageError


@command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes commands, options and paths in your shell.

    \b
    bash: put into ~/.bashrc        eval "$(imagekit completion bash)"
    zsh:  put into ~/.zshrc         eval "$(imagekit completion zsh)"
    fish: imagekit completion fish > ~/.config/fish/completions/imagekit.fish
    """
    from click.shell_completion import get_completion_class

    from imagekit.cli.root import COMPLETE, NAME, root

    found = get_completion_class(shell)
    if found is None:
        raise UsageError(f"this version of click completes nothing in {shell}", hint="install a newer click")
    write(found(root(), {}, NAME, COMPLETE).source().rstrip("\n"))
