"""Least-squares maps from one network's channels to another's."""

from __future__ import annotations

import torch
from torch import Tensor


class Fit:
    """Running sums, in float64, of the problem Y ~ [X, 1] A, rows being positions."""

    def __init__(self) -> None:
        self.gram: Tensor | None = None
        self.products: Tensor | None = None

    def add(self, x: Tensor, y: Tensor) -> None:
        """`x` [n, a] and `y` [n, b]."""
        x, y = with_constant(x), y.double()
        self.gram = x.T @ x + (0.0 if self.gram is None else self.gram)
        self.products = x.T @ y + (0.0 if self.products is None else self.products)

    def solve(self) -> Tensor:
        """The map A [a + 1, b], its last row the constant; the ridge of 1e-9 only steadies dead and twin channels."""
        assert self.gram is not None
        assert self.products is not None
        ridge = 1e-9 * self.gram.diagonal().mean() * torch.eye(len(self.gram), dtype=self.gram.dtype)
        solution: Tensor = torch.linalg.solve(self.gram + ridge, self.products)
        return solution


def positions(x: Tensor) -> Tensor:
    """A feature map [N, C, H, W] as rows [N * H * W, C], which copies nothing in the channels-last layout."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def with_constant(x: Tensor) -> Tensor:
    """A column of ones behind `x` [n, a], in float64."""
    return torch.cat([x.double(), torch.ones(len(x), 1, dtype=torch.float64)], dim=1)
