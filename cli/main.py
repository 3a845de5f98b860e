"""The ``pixelgrad`` command and its sub-commands."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from pixelgrad.cli.compare import compare_command
from pixelgrad.cli.console import fail, note
from pixelgrad.cli.deconv import deconv_command
from pixelgrad.cli.demo import demo_command
from pixelgrad.cli.devices import devices_command
from pixelgrad.cli.doctor import doctor_command
from pixelgrad.cli.dream import dream_command
from pixelgrad.cli.evolve import evolve_command
from pixelgrad.cli.export import export_app
from pixelgrad.cli.grid import grid_command
from pixelgrad.cli.invert import invert_command
from pixelgrad.cli.mistakes import mistakes_command
from pixelgrad.cli.models import models_app
from pixelgrad.cli.signals import stop_politely
from pixelgrad.cli.style import style_command
from pixelgrad.cli.texture import texture_command
from pixelgrad.cli.verify import verify_command
from pixelgrad.cli.visualize import visualize_command
from pixelgrad.cli.zoom import zoom_command
from pixelgrad.version import __version__

app = typer.Typer(
    name="pixelgrad",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo_command)
app.command("style")(style_command)
app.command("dream")(dream_command)
app.command("zoom")(zoom_command)
app.command("texture")(texture_command)
app.command("invert")(invert_command)
app.command("deconv")(deconv_command)
app.command("evolve")(evolve_command)
app.command("mistakes")(mistakes_command)
app.command("visualize")(visualize_command)
app.command("grid")(grid_command)
app.command("compare")(compare_command)
app.add_typer(export_app, name="export")
app.command("verify")(verify_command)
app.add_typer(models_app, name="models")
app.command("devices")(devices_command)
app.command("doctor")(doctor_command)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pixelgrad {__version__}")
        raise typer.Exit


class _Notes(logging.Handler):
    """What the library warns of, in the words of the command line."""

    def emit(self, record: logging.LogRecord) -> None:
        note(record.getMessage())


@app.callback()
def pixelgrad(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Optimise pixels through any neural network, with ONNX Runtime alone."""
    logger = logging.getLogger("pixelgrad")
    if not any(isinstance(handler, _Notes) for handler in logger.handlers):
        logger.addHandler(_Notes())


def main() -> None:
    """Run the command line. Exit codes: 1 for an error, 2 for wrong usage, 130 for Ctrl-C and for a polite kill."""
    stop_politely()
    if sys.stderr is None:  # closed; print would take stdout in its place
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 (as long as the program runs)
    try:
        app(prog_name="pixelgrad")
    except KeyboardInterrupt:  # before or after a command has run; commands handle their own
        sys.exit(130)
    except OSError as error:  # stdout on a full disk, mostly
        if os.environ.get("PIXELGRAD_DEBUG") == "1":
            raise
        fail(f"the operating system refused: {error}; free some space, or choose another place")
        sys.stdout = None  # what is left in it would fail once more at the end
        sys.exit(1)
