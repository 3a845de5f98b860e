"""Choose the scale of every channel of a trained student, which its function leaves open.

Within a layer, a channel is as loud as the teacher's features hear it: the squared distance between two feature maps,
and so the weight of a channel in a Gram matrix, is then close to that of the teacher's own. Between layers, the mean
activation is 1, the convention of the normalised VGG-19 of Gatys et al. 2016.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from network import Folded, Heads
from torch import Tensor


@torch.no_grad()
def calibrated(network: Folded, heads: Heads, batches: Iterable[Tensor]) -> Folded:
    """`network` rescaled by the column norms of `heads` and by its mean activations over `batches` [N, 3, H, W]."""
    suffixes = [suffix for suffix, _, _ in network.design.convolutions()]
    gains = {}
    for suffix in suffixes:
        name = f"relu{suffix}"
        if heads.sources.get(name) == name:
            norms = heads.weight(name).norm(dim=0)
            # A channel that no head listens to stays small, not zero: its successor would have to divide by it.
            gains[suffix] = norms.clamp_min(0.05 * float(norms.mean()))
        else:
            gains[suffix] = torch.ones_like(network.biases[suffix])
    sums, count = dict.fromkeys(suffixes, 0.0), 0
    for image in batches:
        features = network.forward(image)
        for suffix in suffixes:
            sums[suffix] += float((features[f"relu{suffix}"].mean(dim=(0, 2, 3)) * gains[suffix]).mean())
        count += 1
    return network.rescaled({suffix: gains[suffix] * (count / sums[suffix]) for suffix in suffixes})
