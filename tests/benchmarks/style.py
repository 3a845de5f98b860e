"""Style transfer: the final loss beside L-BFGS and Adam in PyTorch, at the same number of gradient evaluations.

    python tests/benchmarks/style.py --model vgg19_slim16x.onnx --photo chelsea.png --painting starry_night.jpg

Content at relu4_2, Gram matrices at relu1_1 to relu5_1, total variation; average pooling, one size, from the photo.
Every loss is PyTorch's, of the picture clipped to [0, 1]. Needs the ``peers`` extra.
"""

from __future__ import annotations

import tempfile

import torch
from descent import Problem, TorchNetwork, gram, normalised, parser, report

from pixelgrad.exporters import load_network, style_objective, write_artifact
from pixelgrad.runtime import Artifact, read_image


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--photo", required=True)
    options.add_argument("--painting", required=True)
    arguments = options.parse_args()
    network = load_network(arguments.model, pool="avg")
    size = arguments.size
    photo, painting = (
        read_image(path).flattened().resized(size, size).to_nchw() for path in (arguments.photo, arguments.painting)
    )
    with tempfile.TemporaryDirectory() as folder:
        objective = style_objective(network, loss="gram")
        artifact = Artifact(write_artifact(network, objective, f"{folder}/a"), device="cpu")
        layers = TorchNetwork(arguments.model, "avg")
        names = {term.layer for term in artifact.terms if term.layer is not None}
        with torch.no_grad():
            content, style = (layers(torch.from_numpy(picture), names) for picture in (photo, painting))

        def loss(image: torch.Tensor) -> torch.Tensor:
            seen, total = layers(image, names), torch.zeros(())
            for term in artifact.terms:
                if term.layer is None:
                    squares = sum((d**2).sum() for d in (image.diff(dim=2), image.diff(dim=3)))
                    value = squares / image.numel()
                elif term.kind == "content":
                    value = normalised(seen[term.layer], content[term.layer])
                else:
                    value = normalised(gram(seen[term.layer]), gram(style[term.layer]))
                total = total + term.weight * value
            return total

        targets = {n: t for n, t in artifact.targets(photo).items() if not n.startswith("target.style.")}
        targets |= {n: t for n, t in artifact.targets(painting).items() if n.startswith("target.style.")}
        report(Problem(artifact, targets, loss, photo), arguments.evaluations, arguments.threads)


if __name__ == "__main__":
    main()
