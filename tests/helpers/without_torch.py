"""Networks read and run in a process of its own in which PyTorch cannot be imported.

As a script: one JSON object per line on stdin, {"network", "image", "layer", "output"}; runs the network's ``layer``
for the image in a ``.npy`` file and writes the result to another. Answers each with a line on stdout.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np


class WithoutTorch:
    """The other process; a context manager."""

    def __enter__(self) -> WithoutTorch:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate("")

    def run(
        self, network: Path, image: np.ndarray[Any, Any], layer: str
    ) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
        """A layer of a network for an image, and what the reader said of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        given, output = network.with_suffix(".in.npy"), network.with_suffix(".out.npy")
        np.save(given, image)
        request = {"network": str(network), "image": str(given), "layer": layer, "output": str(output)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return np.load(output), answer


class _Refuse:
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] in {"torch", "torchvision"}:
            raise ModuleNotFoundError(name)


def _main() -> None:
    sys.meta_path.insert(0, _Refuse())  # type: ignore[arg-type]
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from helpers.running import run
    from pixelgrad.exporters import load_network

    for line in sys.stdin:
        request = json.loads(line)
        try:
            network = load_network(request["network"])
            np.save(request["output"], run(network, np.load(request["image"]), request["layer"]))
            answer = {"format": network.format, "preprocessing": network.preprocessing.name, "notes": network.notes}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        assert "torch" not in sys.modules
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
