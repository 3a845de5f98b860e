"""``pixelgrad models list``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pixelgrad.cli import options
from pixelgrad.cli.console import print_json, reports_errors, tell
from pixelgrad.cli.models.tables import columns, megabytes
from pixelgrad.models import BUNDLED, CATALOGUE, bundled_network
from pixelgrad.networks import Record, records


@reports_errors
def list_command(
    here: Annotated[bool, typer.Option("--here", help="Only those that are on this computer.")] = False,
    json: options.Json = False,
) -> None:
    """List the networks: the bundled one, those that were pulled or added, and those that can be pulled.

    Example: pixelgrad models list --here
    """
    rows = _rows()
    if here:
        rows = [row for row in rows if row["status"] != "available"]
    if json:
        print_json({"networks": rows})
        return
    heads = ("NAME", "STATUS", "SIZE", "TASK", "WHAT IT IS")
    cells = [(r["name"], r["status"], megabytes(r["size"]), r["task"], r["title"]) for r in rows]
    for line in columns(heads, cells, right=[2]):
        tell(line)


def _rows() -> list[dict[str, Any]]:
    known = records()
    bundled = bundled_network()
    rows = []
    if bundled is not None:
        row = CATALOGUE.get(BUNDLED)
        title = row.title if row is not None else "the network in the box"
        facts = {
            "task": row.task if row is not None else "features",
            "licence": row.licence if row is not None else "MIT",
        }
        rows.append(_row(BUNDLED, "bundled", bundled.stat().st_size, title, str(bundled), **facts))
    rows += [_local(record) for record in known.values()]
    rows += [
        _row(row.name, "available", row.size, row.title, None, task=row.task, licence=row.licence)
        for row in CATALOGUE.values()
        if row.files and row.name not in known and row.name != BUNDLED
    ]
    return rows


def _local(record: Record) -> dict[str, Any]:
    entry = record.entry
    title = entry.title if entry is not None else f"your own: {record.files[0].name}"
    status = record.kind if record.path.is_file() else "file is gone"
    facts = {
        "task": entry.task if entry is not None else "",
        "licence": entry.licence if entry is not None else record.licence or "unknown",
    }
    return _row(record.name, status, record.size, title, str(record.path), **facts)


def _row(
    name: str, status: str, size: int | None, title: str, path: str | None, *, task: str, licence: str
) -> dict[str, Any]:
    return {
        "name": name,
        "status": status,
        "size": size,
        "task": task,
        "title": title,
        "licence": licence,
        "path": path,
    }
