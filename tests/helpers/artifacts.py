"""One objective of every kind of artifact, by name: what is checked for all of them goes through this table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from helpers.networks import chain
from helpers.transformers import transformer
from pixelgrad.exporters import (
    Network,
    Objective,
    Projection,
    dream_objective,
    features_objective,
    inversion_objective,
    load_network,
    style_objective,
    texture_objective,
    visualize_objective,
    write_artifact,
    write_projection,
)
from pixelgrad.exporters.projections import PROJECTION_RULES

__all__ = ["KINDS", "OBJECTIVES", "network_for", "write_kinds"]

# A new kind of artifact adds its line here; the network is that of network_for.
OBJECTIVES: dict[str, Callable[[Network], Objective]] = {
    "style": style_objective,
    "style-gram": lambda network: style_objective(network, loss="gram"),
    "style-masks": lambda network: style_objective(network, masks=2),
    "texture": texture_objective,
    "inversion": lambda network: inversion_objective(network, "r3"),
    "inversion-sharp": lambda network: inversion_objective(network, "r3", beta=1.0),
    "dream": dream_objective,
    "dream-channels": lambda network: dream_objective(network, enhance="channels", layers=["r3"]),
    "dream-guide": lambda network: dream_objective(network, enhance="guide", layers=["r3"]),
    "visualize": lambda network: visualize_objective(
        network, "r3", batch=2, tv_weight=1.0, norm_weight=1.0, diversity_weight=1.0
    ),
    "visualize-direction": lambda network: visualize_objective(network, "r3", unit="direction", batch=2),
    "features": lambda network: features_objective(network, ["r3"]),
    "dream-class": lambda network: dream_objective(network, enhance="class"),
    "transformer": lambda network: style_objective(network, loss="gram"),
    "transformer-class": lambda network: dream_objective(network, enhance="class"),
}
# Those that devices look at in tiles as well: every other one has the same graphs.
TILED = {("style", "MaxPool", "fp32"), ("style-masks", "MaxPool", "fp32"), ("style", "MaxPool", "fp16")}
# All of them with maximum pooling, and those with average pooling that differ by it.
KINDS = [*((kind, "MaxPool") for kind in OBJECTIVES), ("style", "AveragePool"), ("dream-channels", "AveragePool")]


def network_for(kind: str, folder: Path, pool: str = "MaxPool") -> Network:
    """The network that a kind of artifact is made of, in miniature."""
    if kind.startswith("transformer"):
        return load_network(transformer(folder / "transformer.onnx", first=1, frozen=True), preprocess="imagenet")
    classes = 10 if kind.endswith("-class") else 0
    return load_network(chain(folder / f"{pool}-{classes}.onnx", pool=pool, classes=classes), preprocess="imagenet")


def write_kinds(folder: Path, precisions: Sequence[str] = ("fp32",)) -> list[Path]:
    """Every kind in miniature, and projections with either pooling."""
    made = []
    for pool in ("MaxPool", "AveragePool"):
        for kind in (kind for kind, wanted in KINDS if wanted == pool):
            network = network_for(kind, folder, pool)
            for precision in precisions:
                objective, path = OBJECTIVES[kind](network), folder / f"{kind}-{pool}-{precision}"
                tiles = (kind, pool, precision) in TILED
                made.append(write_artifact(network, objective, path, precision=precision, tiles=tiles))
        network = network_for("projection", folder, pool)
        for rule in PROJECTION_RULES:
            projection = Projection("r3", rule, watched=("r1", "r2"))
            made.append(write_projection(network, projection, folder / f"projection-{rule}-{pool}"))
    return made
