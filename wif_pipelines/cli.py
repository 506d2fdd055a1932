"""`wif`: parses, calls, prints."""

import sys
from typing import Any

import click

from wif_pipelines.errors import WifError

_COMMANDS = {
    "demo": "wif_pipelines.demo.commands:demo",
    "ui": "wif_pipelines.demo.commands:ui",
    "sandbox": "wif_pipelines.sandbox.commands:sandbox",
}


class _Commands(click.Group):
    """Imports a command when it is asked for: the local cloud's packages are an extra."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's interface
        import importlib

        module, _, name = _COMMANDS.get(cmd_name, "").partition(":")
        command: Any = getattr(importlib.import_module(module), name) if module else None
        return command if isinstance(command, click.Command) else None


@click.group(cls=_Commands)
@click.version_option(package_name="wif-pipelines")
def wif() -> None:
    """Move training data from AWS S3 to Google Cloud and serve a model of it, without one static key."""


def main() -> None:
    """The entry point; what is known to go wrong ends in its message and its remedy, not in a stack trace."""
    try:
        wif()
    except WifError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
