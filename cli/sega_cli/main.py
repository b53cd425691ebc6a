"""The `sega-vec` group. A command's module is imported when the command is used, heavy libraries when it runs."""

import os
from importlib import import_module
from typing import Any

import click

from sega_cli.errors import click_errors
from sega_cli.printing.terminal import print_anything

COMMANDS = (
    "record", "apply", "ls", "show", "compare", "tune", "tag", "rename", "note", "rm", "verify", "export",
    "import", "push", "pull", "browse", "study", "demo",
)  # fmt: skip

EPILOG = """\b
Examples:
  sega-vec demo
  sega-vec record "a portrait of a man" --concept glasses --seed 21
  sega-vec apply glasses --to-prompt "a pencil drawing of a woman"

\b
Every option can be set in the environment: SEGA_VEC_RECORD_STEPS=20 sets --steps of record, and
SEGA_VEC_LIBRARY sets --library of every command. Exit status: 0 done, 1 failed, 2 usage, 3 damage found,
4 incompatible, 130 interrupted."""


class LazyGroup(click.Group):
    """A group that finds the command NAME in the module `sega_cli.commands.NAME`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order in which a user meets them, not alphabetically."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command's own module, imported now; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"sega_cli.commands.{cmd_name}").command
        return command

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line; its texts can be printed whatever the encoding of standard output."""
        print_anything()
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; what the libraries raise becomes a message and an exit status."""
        with click_errors():
            return super().invoke(ctx)


@click.command(
    cls=LazyGroup,
    context_settings={
        "auto_envvar_prefix": "SEGA_VEC",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
        "show_default": True,
    },
    epilog=EPILOG,
)
@click.version_option(package_name="sega-vectors")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Record the semantic guidance of a concept once, keep it, and apply it to other prompts from the same initial
    noise at the price of a plain run."""
    if os.environ.get("NO_COLOR"):
        ctx.color = False
