"""Reconstruction from features: the error at each layer, beside a plain gradient run with the same number of steps.

    python tests/benchmarks/inversion.py --model googlenet.onnx --image chelsea.png [--layers A,B] [--alpha-weight W]

The error is ||phi(x) - phi0||^2 / ||phi0||^2; PSNR is to the photo, which the layer need not know. The plain run is the
paper's (Mahendran & Vedaldi 2014, section 2.3): gradient descent with momentum 0.9 on the same loss from the same noise
at full size, the best of several step sizes.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import numpy as np

from pixelgrad.exporters import depth_layers, inversion_objective, load_network, write_artifact
from pixelgrad.runtime import Artifact, InversionSettings, Picture, invert, read_image

STEP_SIZES = (0.01, 0.03)  # of the largest pixel of the first step
MOMENTUM = 0.9


def plain(artifact: Artifact, picture: Picture, steps: int, size: float) -> float:
    """The best error of the run."""
    original = picture.to_nchw()
    targets = artifact.targets(original)
    noise = 0.05 * np.random.default_rng(0).standard_normal(original.shape)
    image = np.clip(0.45 + noise, 0, 1).astype(np.float32)
    (term,) = (term.name for term in artifact.terms if term.kind == "content")
    velocity, rate, best = np.zeros_like(image), None, float("inf")
    for _ in range(steps):
        found = artifact.evaluate(image, targets)
        best = min(best, found.losses[term]) if np.isfinite(found.loss) else best
        if rate is None:
            rate = np.float32(size / max(float(np.abs(found.gradient).max()), 1e-12))
        velocity = np.float32(MOMENTUM) * velocity - rate * found.gradient
        image = np.clip(image + velocity, 0, 1)
    return min(best, artifact.evaluate(image, targets).losses[term])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--image", required=True)
    parser.add_argument("--layers", help="names with commas between them; all over the depth by default")
    parser.add_argument("--size", type=int, default=128, help="long edge in pixels")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--alpha-weight", type=float, help="by layer and photo by default")
    arguments = parser.parse_args()
    network = load_network(arguments.model)
    layers = arguments.layers.split(",") if arguments.layers else depth_layers(network)
    picture = read_image(arguments.image).flattened()
    scale = arguments.size / max(picture.size)
    picture = picture.resized(*(round(edge * scale) for edge in picture.size))
    settings = InversionSettings(size=arguments.size, steps=arguments.steps, alpha_weight=arguments.alpha_weight)
    print(f"{network.name}, {picture.size[0]}x{picture.size[1]}, {arguments.steps} steps")
    print(f"{'layer':<20} {'pixelgrad':>10} {'plain':>10} {'ratio':>6} {'PSNR':>6} {'seconds':>8}")
    for layer in layers:
        with tempfile.TemporaryDirectory() as folder:
            artifact = Artifact(
                write_artifact(network, inversion_objective(network, layer), f"{folder}/a"), device="cpu"
            )
            began = time.perf_counter()
            *_, last = invert(artifact, picture, settings)
            seconds = time.perf_counter() - began
            (error,) = last.measures.values()
            other = min(plain(artifact, picture, arguments.steps, size) for size in STEP_SIZES)
            away = last.picture().to_nchw() - picture.to_nchw()
            psnr = -10 * np.log10(float(np.square(away).mean()))
            columns = f"{error:>10.4f} {other:>10.4f} {error / other:>6.2f} {psnr:>6.1f} {seconds:>8.1f}"
            print(f"{layer:<20} {columns}", flush=True)


if __name__ == "__main__":
    main()
