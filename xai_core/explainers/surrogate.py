"""LIME's linear surrogate in closed form, and how well its strongest segments survive a bootstrap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

KERNEL_WIDTH = 0.25
RIDGE = 1.0
STRONGEST = 5
REFITS = 50


@dataclass(frozen=True)
class Surrogate:
    """A weighted ridge regression of a response on S segments, float64.

    Attributes
    ----------
    coefficients : (S,)
    intercept, r2 : ()
    refits : (REFITS, S)
        Coefficients of the bootstrap refits.
    """

    coefficients: torch.Tensor
    intercept: torch.Tensor
    r2: torch.Tensor
    refits: torch.Tensor

    @property
    def stability(self) -> torch.Tensor:
        """Return the mean Jaccard index of the refits' strongest positive segments against the fit's own, [0, 1]."""
        return jaccard(strongest(self.refits), strongest(self.coefficients)).mean()

    def negated(self) -> Surrogate:
        """Return the surrogate of one minus the response."""
        return Surrogate(-self.coefficients, 1 - self.intercept, self.r2, -self.refits)


def kernel(design: torch.Tensor) -> torch.Tensor:
    """Return the weight of each row: (rows,) float64 from a (rows, S) bool design.

    lime's ``sqrt(exp(-d**2 / width**2))`` of the cosine distance to the first row of ones, which is 1 - sqrt(k / S).
    """
    distance = 1 - design.double().mean(1).sqrt()
    return (-((distance / KERNEL_WIDTH) ** 2)).exp().sqrt()


def fit(design: torch.Tensor, responses: torch.Tensor, seed: int) -> list[Surrogate]:
    """Return the surrogate of each column of (rows, K) responses on a (rows, S) bool design, with bootstrap refits.

    Ridge with alpha 1 and an intercept that is fitted and not penalised, as lime's; in float64. A refit draws as many
    rows again, with replacement: rows are weighted by how often they are drawn, and no pass through a network is made.
    """
    import torch

    weights, y = kernel(design), responses.double()
    x = torch.nn.functional.pad(design.double(), (0, 1), value=1.0)  # the last column is the intercept's
    times = torch.nn.functional.pad(_times_drawn(len(x), seed).to(weights), (0, 0, 1, 0), value=1.0)
    weighted = x.T * (times * weights)[:, None, :]  # (1 + REFITS, S + 1, rows)
    gram = weighted @ x
    gram.diagonal(dim1=1, dim2=2)[:, :-1] += RIDGE
    solved = torch.cholesky_solve(weighted @ y, torch.linalg.cholesky(gram))
    r2 = _r2(y, x @ solved[0], weights[:, None])
    return [Surrogate(solved[0, :-1, k], solved[0, -1, k], r2[k], solved[1:, :-1, k]) for k in range(y.shape[1])]


def _times_drawn(rows: int, seed: int) -> torch.Tensor:
    """Return how often each row is drawn in each refit: (REFITS, rows) int64."""
    import numpy as np
    import torch

    drawn = np.random.default_rng(seed).integers(rows, size=(REFITS, rows))
    return torch.from_numpy(np.stack([np.bincount(refit, minlength=rows) for refit in drawn]))


def _r2(y: torch.Tensor, predicted: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the weighted R squared of each column; 1 for a constant response, which the intercept alone explains."""
    import torch

    residual = (weights * (y - predicted) ** 2).sum(0)
    spread = (weights * (y - (weights * y).sum(0) / weights.sum()) ** 2).sum(0)
    flat = (y == y[0]).all(0)
    return torch.where(flat, 1.0, 1 - residual / torch.where(flat, 1.0, spread))


def strongest(coefficients: torch.Tensor) -> torch.Tensor:
    """Return which segments are the up to five strongest positive ones: bool, of the shape (..., S) that went in."""
    import torch

    top = coefficients.topk(min(STRONGEST, coefficients.shape[-1]), dim=-1).indices
    chosen = torch.zeros_like(coefficients, dtype=torch.bool).scatter_(-1, top, True)
    return chosen & (coefficients > 0)


def jaccard(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the Jaccard index of sets given as (..., S) bool, float64; two empty sets agree: 1."""
    import torch

    union = (a | b).sum(-1)
    return torch.where(union > 0, (a & b).sum(-1) / union.clamp_min(1).double(), 1.0)
