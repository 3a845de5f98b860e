"""Texture synthesis: the final loss beside L-BFGS and Adam in PyTorch, at the same number of gradient evaluations.

    python tests/benchmarks/texture.py --model vgg19_slim16x.onnx --image gravel.png [--size 192]

Gram matrices at relu1_1 and pool1 to pool4, average pooling, one size, the same noise. Every loss is PyTorch's, of the
picture clipped to [0, 1]. Needs the ``peers`` extra.
"""

from __future__ import annotations

import tempfile

import numpy as np
import torch
from descent import Problem, TorchNetwork, gram, normalised, parser, report

from pixelgrad.exporters import load_network, texture_objective, write_artifact
from pixelgrad.runtime import Artifact, read_image


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--image", required=True)
    arguments = options.parse_args()
    network = load_network(arguments.model, pool="avg")
    size = arguments.size
    source = read_image(arguments.image).flattened().resized(size, size).to_nchw()
    with tempfile.TemporaryDirectory() as folder:
        artifact = Artifact(
            write_artifact(network, texture_objective(network, loss="gram"), f"{folder}/a"), device="cpu"
        )
        weights = {term.layer: term.weight for term in artifact.terms if term.layer is not None}
        layers = TorchNetwork(arguments.model, "avg")
        with torch.no_grad():
            wanted = {name: gram(f) for name, f in layers(torch.from_numpy(source), set(weights)).items()}

        def loss(image: torch.Tensor) -> torch.Tensor:
            seen = layers(image, set(weights))
            return sum((w * normalised(gram(seen[n]), wanted[n]) for n, w in weights.items()), torch.zeros(()))

        start = np.random.default_rng(0).random(source.shape, dtype=np.float32)
        report(Problem(artifact, artifact.targets(source), loss, start), arguments.evaluations, arguments.threads)


if __name__ == "__main__":
    main()
