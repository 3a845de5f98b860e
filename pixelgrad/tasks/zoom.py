"""The endless zoom from start to finish: frames into a folder, the folder into a video."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from pixelgrad.errors import OutputError
from pixelgrad.networks import Model
from pixelgrad.runtime import (
    Artifact,
    DreamSettings,
    FrameEvent,
    FrameFolder,
    Picture,
    ZoomSettings,
    choose_device,
    zoom_recipe,
)
from pixelgrad.runtime import zoom as run_zoom
from pixelgrad.runtime.images import ImageSource
from pixelgrad.tasks.common import Layers, check_paths, plain, read_source, settings_of
from pixelgrad.tasks.dream import dream_subject
from pixelgrad.tasks.video import check_fps, check_video, is_video, write_video

__all__ = ["ZoomRun", "check_zoom_output", "zoom"]

OnFrame = Callable[[FrameEvent], object]


def check_zoom_output(output: str | Path, *, fps: float, force: bool) -> None:
    """Raise :class:`OutputError` and :class:`SettingsError` where a zoom could not be written to ``output``."""
    if not str(output):
        raise OutputError("the name of the output is empty; name a folder, or a file such as zoom.mp4")
    path = Path(output)
    check_fps(fps)
    if is_video(path):
        check_video(path, fps=fps, force=force)


class ZoomRun:
    """A zoom whose frames are files from the moment that they are made.

    output: a folder for the frames, or a video (.mp4, .gif, .webp), whose frames are in ``<output>.frames`` beside it
        until it is complete. Where the folder holds frames of the same zoom, it goes on from the last.

    >>> run = ZoomRun(artifact, picture, "zoom.mp4", ZoomSettings(frames=60), fps=15)
    >>> for event in run.events(): ...
    >>> run.finish()

    Raises as :func:`pixelgrad.runtime.zoom` and :class:`FrameFolder` do.
    """

    def __init__(
        self,
        artifact: Artifact,
        picture: Picture | None,
        output: str | Path,
        settings: ZoomSettings,
        *,
        fps: float,
        force: bool = False,
        channels: Sequence[int] | None = None,
        guide: Picture | None = None,
    ) -> None:
        self.output = Path(output)
        self._settings, self._fps, self._force = settings, fps, force
        self._video = is_video(self.output)
        given: dict[str, Any] = {"channels": channels, "guide": guide}
        recipe = zoom_recipe(artifact, picture, settings, **given)
        place = self.output.with_name(f"{self.output.name}.frames") if self._video else self.output
        self.folder = FrameFolder(place, recipe)
        self.found = self.folder.count
        self._events = run_zoom(artifact, picture, settings, after=self.folder.last(), **given)

    @property
    def done(self) -> int:
        """How many of the frames are there."""
        frames = self._settings.frames
        return self.folder.count if frames is None else min(self.folder.count, frames)

    def events(self) -> Iterator[FrameEvent]:
        """Make the frames that are missing; each is a file before its event is seen."""
        for event in self._events:
            self.folder.add(event.picture)
            yield event

    def finish(self) -> Path:
        """Write the video of the frames that are there, and remove them if they are all; the output's path."""
        if self._video:
            write_video(self.folder.frames(self.done), self.output, fps=self._fps, force=self._force)
            if self._settings.frames is not None and self.folder.count >= self._settings.frames:
                self.folder.remove()
        return self.output


def zoom(
    picture: ImageSource | None,
    output: str | Path,
    /,
    *,
    model: Model = None,
    device: str = "auto",
    layers: Layers | None = None,
    channels: Sequence[int] | None = None,
    classes: str | int | Sequence[str | int] | None = None,
    guide: ImageSource | None = None,
    fps: float = 15,
    force: bool = False,
    on_frame: OnFrame | None = None,
    **settings: Any,
) -> Path:
    """The endless zoom: dream, go a little closer, dream on (Mordvintsev, Olah & Tyka 2015).

    >>> pixelgrad.zoom("sky.jpg", "zoom.mp4", frames=120, model="googlenet.onnx")

    picture: as of :func:`pixelgrad.dream`; ``None`` starts from noise.
    output: a folder for the frames as PNG files, or a video: .mp4 (needs ``pip install 'pixelgrad[video]'``), .gif or
        .webp. Where the folder, or for a video the folder ``<output>.frames``, holds the frames of the same zoom, it
        goes on from the last, with the result that it would have had in one go.
    fps: frames per second of a video. force: replace a video that is there.
    on_frame: called with a :class:`FrameEvent` after every frame.
    settings: fields of :class:`ZoomSettings` (``frames``, ``growth``, ``rotate``, ``drift``, ``contrast``) and of
        :class:`DreamSettings`, for each frame.
    model, device, layers, channels, classes, guide: as of :func:`pixelgrad.dream`.

    Returns the path of the output. Raises :class:`PixelgradError`; see ``pixelgrad.errors``.
    """
    own = {field.name for field in fields(ZoomSettings)} - {"dream"}
    of_dream = {name: value for name, value in settings.items() if name not in own}
    of_zoom = {name: value for name, value in settings.items() if name in own}
    dreaming = settings_of(DreamSettings, "zoom", of_dream, others=own)
    chosen = settings_of(ZoomSettings, "zoom", {**of_zoom, "dream": dreaming}, on_frame=on_frame)
    chosen.check()
    fps = plain(fps)
    check_paths(output=output)
    check_zoom_output(output, fps=fps, force=force)
    source = None if picture is None else read_source(picture, "picture")
    towards = None if guide is None else read_source(guide, "guide")
    choice = choose_device(device)
    folder, chosen_channels = dream_subject(
        model,
        layers=layers,
        channels=channels,
        classes=classes,
        guided=guide is not None,
        device=choice,
    )
    run = ZoomRun(
        Artifact(folder, device=choice),
        source,
        output,
        chosen,
        fps=fps,
        force=force,
        channels=chosen_channels,
        guide=towards,
    )
    for event in run.events():
        if on_frame is not None:
            on_frame(event)
    return run.finish()
