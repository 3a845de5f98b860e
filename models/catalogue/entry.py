"""What a row of the catalogue says."""

from __future__ import annotations

from dataclasses import dataclass, field

from pixelgrad.models.labels import Labels

__all__ = ["Download", "Entry"]


@dataclass(frozen=True)
class Download:
    """A file as its publisher offers it.

    url: where. name: what to call the file on disk; by default the last part of the address.
    sha256: of the whole file, or the leading hex digits of it that the publisher gives. sha1: where only that is
        published. Both ``None``: the publisher gives none, and a download can only be checked for completeness.
    size: in bytes, if published. about: roughly, for people, where the size is not published to the byte.
    """

    url: str
    name: str = ""
    sha256: str | None = None
    sha1: str | None = None
    size: int | None = None
    about: int | None = None

    @property
    def filename(self) -> str:
        return self.name or self.url.rpartition("/")[2]

    @property
    def published(self) -> str:
        """What its publisher says of its content, in words."""
        if self.sha256 is not None:
            return f"sha256 {self.sha256}{'...' if len(self.sha256) < 64 else ''}"
        return f"sha1 {self.sha1}" if self.sha1 is not None else "no hash published"


@dataclass(frozen=True)
class Entry:
    """One network.

    name, title, licence: what it is called, what it is, and who may use it how.
    preprocessing: how it wants its input, by name in ``pixelgrad.models.PREPROCESSINGS``.
    task: what it was trained for.
    files: what to download, the one to open first; none for a network that comes with pixelgrad or is one's own.
    reader: the format of the file: ``onnx``, ``caffe`` or ``pytorch``. architecture: what builds the graph of a
        checkpoint that has none.
    signature: tensor names that only this network has, to recognise it in an ONNX file from anywhere.
    aliases: canonical layer name -> tensor name in the file.
    style_layers, content_layers: the defaults for style transfer, shallow to deep.
    dream_layers: what a dream makes stronger by default.
    labels: what its classes are called, one of ``pixelgrad.models.labels.LABEL_SETS`` or a list of its own.
    input_size: height and width of the images it was trained on, in pixels.
    note: what else to know.
    """

    name: str
    title: str
    preprocessing: str
    licence: str
    task: str = "classification"
    files: tuple[Download, ...] = ()
    reader: str = "onnx"
    architecture: str | None = None
    signature: tuple[str, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict)
    style_layers: tuple[str, ...] = ()
    content_layers: tuple[str, ...] = ()
    dream_layers: tuple[str, ...] = ()
    labels: str | Labels | None = None
    input_size: int | None = None
    note: str = ""

    @property
    def size(self) -> int | None:
        """Bytes to download, roughly where the publisher does not say exactly; ``None`` where nothing is known."""
        sizes = [download.size or download.about for download in self.files]
        return sum(size for size in sizes if size) if self.files and sizes[0] else None
