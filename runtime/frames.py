"""A folder of frames that can be taken up again: numbered PNG files and what they were made from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pixelgrad.errors import ImageError, OutputError
from pixelgrad.runtime.images import Picture, check_place, read_image, write_image, written_beside

__all__ = ["FrameFolder"]

_STATE = "zoom.json"
_FORMAT, _VERSION = "pixelgrad-zoom", 1
# What may differ between two runs of which one goes on from the other's frames.
_FREE = ("pixelgrad",)


class FrameFolder:
    """frame_00001.png, frame_00002.png, ... and ``zoom.json``, which holds the recipe that they have in common.

    Raises :class:`OutputError` for a folder that cannot be written, that holds something else, or frames of another
    recipe: nothing there is ever replaced but a frame of this one.
    """

    def __init__(self, path: str | Path, recipe: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self._recipe = {name: value for name, value in recipe.items() if name not in _FREE}
        self._open()
        self.count = self._count()

    def frame(self, number: int) -> Path:
        """The file of a frame, counted from 1."""
        return self.path / f"frame_{number:05}.png"

    def frames(self, most: int) -> list[Path]:
        """The files of the first ``most`` frames, as far as they are there."""
        return [self.frame(number) for number in range(1, min(most, self.count) + 1)]

    def last(self) -> tuple[int, Picture] | None:
        """The number of the last frame and the frame; ``None`` before the first."""
        return (self.count, read_image(self.frame(self.count))) if self.count else None

    def add(self, picture: Picture) -> Path:
        """Write the next frame, whole or not at all."""
        path = self.frame(self.count + 1)
        write_image(picture, path, force=True)
        self.count += 1
        return path

    def remove(self) -> None:
        """Remove the frames and the folder, if it holds nothing else."""
        for entry in self.path.glob("frame_*.png"):
            entry.unlink()
        (self.path / _STATE).unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()

    def _open(self) -> None:
        path, state = self.path, self.path / _STATE
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path}: is a file, and frames go into a folder; choose another name")
        if path.is_dir() and not state.exists() and any(path.iterdir()):
            raise OutputError(f"{path}: holds other files, and no zoom to go on with; choose a new or empty folder")
        is_new = not path.is_dir()
        if is_new:
            try:
                path.mkdir()
            except FileNotFoundError:
                raise OutputError(f"{path}: there is no folder {path.parent}; create it, or choose another") from None
            except OSError as error:
                raise OutputError(
                    f"{path}: the folder cannot be made ({error.strerror or error}); choose another place"
                ) from None
        for left_over in path.glob(".pixelgrad-*.tmp"):  # of a run that was killed
            with suppress(OSError):
                left_over.unlink()
        if state.exists():
            self._compare(state)
            check_place(self.frame(1), force=True)
        else:
            text = json.dumps({"format": _FORMAT, "version": _VERSION, "recipe": self._recipe}, indent=2)
            try:
                check_place(state)
                with written_beside(state) as file:
                    file.write(text.encode() + b"\n")
            except OutputError:
                if is_new:  # on a disk that is full there is room for a folder
                    with suppress(OSError):
                        path.rmdir()
                raise

    def _compare(self, state: Path) -> None:
        try:
            found = json.loads(state.read_text(encoding="utf-8"))
            known = found["format"], found["version"], dict(found["recipe"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutputError(f"{state} cannot be read ({error}); choose another folder") from None
        if known[:2] != (_FORMAT, _VERSION):
            raise OutputError(f"{state} is of another format ({known[0]} {known[1]}); choose another folder")
        there, here = _flat(known[2]), _flat(json.loads(json.dumps(self._recipe)))
        differing = sorted(name for name in there.keys() | here.keys() if there.get(name) != here.get(name))
        if differing:
            listed = "; ".join(
                f"{name} {_brief(there.get(name))}, not {_brief(here.get(name))}" for name in differing[:3]
            )
            raise OutputError(
                f"{self.path}: holds another zoom, with {listed}; choose another folder, or the same settings"
            )

    def _count(self) -> int:
        """How many frames there are without a gap, the last of them sound."""
        with suppress(OSError):
            names = {entry.name for entry in os.scandir(self.path)}
            count = 0
            while self.frame(count + 1).name in names:
                count += 1
            while count:
                with suppress(ImageError):
                    read_image(self.frame(count))
                    return count
                count -= 1
        return 0


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    return {key: part for k, v in value.items() for key, part in _flat(v, f"{name}.{k}" if name else k).items()}


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 20 else f"{text[:12]}...{text[-3:]}"
