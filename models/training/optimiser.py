"""Muon: momentum whose update is replaced by the nearest orthogonal matrix, for convolution kernels.

Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """Newton-Schulz iteration towards the orthogonal factor of `matrix` [rows, columns], rows <= columns."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x: Tensor = matrix / (matrix.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


class Muon(Optimizer):
    """Nesterov momentum and orthogonalised updates; parameters are kernels [out, in, ...].

    An update is `rate` times as long as the kernel, in the Euclidean norm, and each kernel is kept at its initial norm:
    the normalisation behind it makes its scale meaningless, and growth would only slow training.
    """

    def __init__(self, parameters: Iterable[Tensor], rate: float = 0.02, momentum: float = 0.95) -> None:
        super().__init__(list(parameters), {"lr": rate, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                    state["norm"] = parameter.norm()
                gradient = parameter.grad
                state["momentum"].lerp_(gradient, 1 - group["momentum"])
                update = gradient.lerp(state["momentum"], group["momentum"])
                flat = update.reshape(update.shape[0], -1)
                wide = flat if flat.shape[0] <= flat.shape[1] else flat.T
                direction = orthogonal(wide)
                direction = direction if wide is flat else direction.T
                scale = state["norm"] / direction.norm()
                parameter.add_(direction.reshape(parameter.shape), alpha=-group["lr"] * float(scale))
                parameter.mul_(state["norm"] / parameter.norm())
