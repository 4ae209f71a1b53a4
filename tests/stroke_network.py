"""A small network for drawn strokes: it trains in seconds, and its last map has a place for each field of a picture."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu


class Strokes(nn.Module):
    """Three convolutions, the most of each field, its mean, and a linear head."""

    def __init__(self, num_classes: int = 4) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 16, 5, 2, 2, bias=False), nn.BatchNorm2d(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32)
        self.conv3, self.norm3 = nn.Conv2d(32, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64)
        self.last = nn.AdaptiveMaxPool2d((2, 2))
        self.head = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = relu(self.norm2(self.conv2(relu(self.norm1(self.conv1(x))))))
        return self.head(self.last(relu(self.norm3(self.conv3(x)))).mean((2, 3)))
