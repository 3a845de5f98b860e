"""The sub-commands of ``pixelgrad models``."""

from __future__ import annotations

import typer

from pixelgrad.cli.models.adding import add_command
from pixelgrad.cli.models.listing import list_command
from pixelgrad.cli.models.pulling import pull_command
from pixelgrad.cli.models.showing import show_command
from pixelgrad.cli.models.upkeep import path_command, rm_command, verify_command

models_app = typer.Typer(no_args_is_help=True, help="Networks: which there are, getting them, what is in them.")


@models_app.callback()
def _models() -> None:
    """Networks: which there are, getting them, what is in them."""


models_app.command("list")(list_command)
models_app.command("show")(show_command)
models_app.command("pull")(pull_command)
models_app.command("add")(add_command)
models_app.command("rm")(rm_command)
models_app.command("verify")(verify_command)
models_app.command("path")(path_command)
