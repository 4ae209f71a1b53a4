"""A small network for drawn strokes: it trains in a second, and its last map is fine enough to tell them apart."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu


class Strokes(nn.Module):
    """Three convolutions to a map of an eighth or a quarter, its mean, and a linear head."""

    def __init__(self, num_classes: int = 4, width: int = 24, last_stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, width // 2, 5, 2, 2, bias=False), nn.BatchNorm2d(width // 2)
        self.conv2, self.norm2 = nn.Conv2d(width // 2, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.norm3 = nn.Conv2d(width, width, 3, last_stride, 1, bias=False), nn.BatchNorm2d(width)
        self.last = nn.ReLU()
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = relu(self.norm2(self.conv2(relu(self.norm1(self.conv1(x))))))
        return self.head(self.last(self.norm3(self.conv3(x))).mean((2, 3)))
