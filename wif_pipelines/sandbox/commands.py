"""`wif sandbox`: up, run, env, status, down."""

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from wif_pipelines.sandbox.directory import DirectoryInUseError, SandboxDirectory
from wif_pipelines.sandbox.lifecycle import Sandbox, SandboxError, SandboxNotRunningError
from wif_pipelines.sandbox.remote import ControlError

__all__ = ["sandbox"]

_FAILURES = (SandboxError, SandboxNotRunningError, ControlError, DirectoryInUseError)


def _directory_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--directory",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path(".sandbox"),
        show_default=True,
        help="Where the local cloud keeps its state.",
    )(command)


def _attach(directory: Path) -> Sandbox:
    try:
        return Sandbox.attach(directory)
    except _FAILURES as error:
        raise click.ClickException(str(error)) from error


@click.group()
def sandbox() -> None:
    """A local cloud: AWS and Google behind their real addresses, for unmodified tools."""


@sandbox.command()
@_directory_option
def up(directory: Path) -> None:
    """Start the local cloud in the background; does nothing when it is up."""
    try:
        running = Sandbox.attach(directory)
    except SandboxNotRunningError:
        running = Sandbox(directory)
        try:
            running.start(detached=True)
        except _FAILURES as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"The sandbox is up on 127.0.0.1:{running.address.port}, with its state in {running.directory}.")
    click.echo("Run something in it: wif sandbox run -- aws s3 ls")


@sandbox.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@_directory_option
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(directory: Path, command: tuple[str, ...]) -> None:
    """Run COMMAND inside the local cloud and end with its exit status: wif sandbox run -- COMMAND..."""
    environment = _environment(directory)
    try:
        os.execvpe(command[0], command, {**os.environ, **environment})  # noqa: S606 (running the user's command is the point)
    except OSError as error:
        raise click.ClickException(f"{command[0]} cannot be run: {error.strerror}.") from error


@sandbox.command()
@_directory_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object and not export lines.")
def env(directory: Path, *, as_json: bool) -> None:
    """Print the variables of a fresh session, for `eval "$(wif sandbox env)"`. They hold a temporary AWS key."""
    environment = _environment(directory)
    if as_json:
        click.echo(json.dumps(environment, indent=2))
        return
    for name, value in environment.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@sandbox.command()
@_directory_option
def status(directory: Path) -> None:
    """Say whether the local cloud is up, where, and what is about to go wrong in it; status 1 when it is down."""
    running = _attach(directory)
    try:
        health, faults = running.control.call("GET", "/"), running.faults.list()
    except ControlError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"up: process {health['pid']} on 127.0.0.1:{running.address.port}, state in {running.directory}")
    for fault in faults:
        left = "no end of" if fault["remaining"] is None else fault["remaining"]
        click.echo(f"{fault['id']}: {fault['kind']} of {fault['method']}, used {fault['used']} times, {left} left")


@sandbox.command()
@_directory_option
@click.option("--forget", is_flag=True, help="Delete the state as well.")
def down(directory: Path, *, forget: bool) -> None:
    """Stop the local cloud; its state stays unless told otherwise. Does nothing when it is down."""
    try:
        Sandbox.attach(directory).stop()
        click.echo("The sandbox is down.")
    except SandboxNotRunningError:
        click.echo("The sandbox is not running.")
    except _FAILURES as error:
        raise click.ClickException(str(error)) from error
    if forget:
        _forget(directory)


def _environment(directory: Path) -> dict[str, str]:
    try:
        return _attach(directory).environment()
    except _FAILURES as error:
        raise click.ClickException(str(error)) from error


def _forget(directory: Path) -> None:
    try:
        SandboxDirectory(directory).forget()
    except _FAILURES as error:
        raise click.ClickException(str(error)) from error
    click.echo("Its state is forgotten.")
