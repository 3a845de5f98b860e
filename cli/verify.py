"""``pixelgrad verify``: does this device compute what the artifact says?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import fail, print_json, reports_errors, tell
from pixelgrad.runtime import Artifact, verify


@reports_errors
def verify_command(
    artifact: Annotated[Path, typer.Argument(metavar="DIR", help="The artifact folder.")],
    device: options.Device = "auto",
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Check an artifact's files, and that a device computes its loss and gradient as it should."""
    opened = Artifact(artifact, device=device)
    checks = []
    for check in verify(opened):
        checks.append(check)
        if not quiet and not json:
            tell(f"{'ok    ' if check.passed else 'FAILED'} {check.name}: {check.detail}")
    failed = [check.name for check in checks if not check.passed]
    if json:
        rows = [{"name": c.name, "passed": c.passed, "detail": c.detail} for c in checks]
        print_json({"artifact": str(artifact), "device": opened.choice.name, "passed": not failed, "checks": rows})
    elif failed:
        fail(f"{artifact} on {opened.choice.name}: {', '.join(failed)} failed")
    elif not quiet:
        tell(f"{artifact} is sound on {opened.choice.name}")
    if failed:
        raise typer.Exit(1)
