"""Networks of one's own that train in a second, for tests."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Tiny(nn.Module):
    """Three convolutions; batch norm and dropout, so that everything random or counted in a training occurs."""

    def __init__(self, num_classes: int = 2, width: int = 8, drop: float = 0.2) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.body = nn.Sequential(nn.Conv2d(width, 2 * width, 3, 2, 1), nn.ReLU(inplace=True))
        self.drop = nn.Dropout(drop)
        self.head = nn.Linear(2 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(self.stem(x))
        return self.head(self.drop(torch.cat((x.mean((2, 3)), x.amax((2, 3))), 1)[:, : self.head.in_features]))


class OneLogit(nn.Module):
    """One number per image: how much brighter the red is than the blue."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Conv2d(3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.weight(x).mean((1, 2, 3))


def not_a_network() -> str:
    return "a text"
