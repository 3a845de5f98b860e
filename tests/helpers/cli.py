"""Running the command line in the test's own process."""

from __future__ import annotations

from typing import Any

from typer.testing import CliRunner, Result

from pixelgrad.cli import main

RUNNER = CliRunner()


def invoke(*arguments: Any, stdin: bytes | None = None) -> Result:
    """The result of ``pixelgrad ARGUMENTS``."""
    return RUNNER.invoke(main.app, [str(a) for a in arguments], input=stdin)


def error_of(result: Result, code: int = 1) -> str:
    """The one line that an error is."""
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("pixelgrad: error: ")]
    assert len(lines) == 1, result.stderr
    return lines[0].removeprefix("pixelgrad: error: ")
