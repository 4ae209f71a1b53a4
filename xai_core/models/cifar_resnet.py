"""Residual networks for small images (He et al. 2016, section 4.2), with shortcuts that carry no weights (option A).

Three stages of 16, 32 and 64 channels; the map is as large as the image, half and a quarter: 28, 14 and 7 px for MNIST.
``import:xai_core.models.cifar_resnet:resnet20`` names the smallest. Tensors are conv1, bn1, layer1 to layer3, linear.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

WIDTHS = (16, 32, 64)


def resnet20(num_classes: int = 10) -> torch.nn.Module:
    """Return the network of 20 layers, 0.27 million weights."""
    return _classes()(3, num_classes)


def resnet56(num_classes: int = 10) -> torch.nn.Module:
    """Return the network of 56 layers, 0.85 million weights."""
    return _classes()(9, num_classes)


@cache
def _classes() -> type:
    import torch
    from torch import Tensor, nn
    from torch.nn.functional import pad, relu

    class Block(nn.Module):
        """Two 3x3 convolutions and what came in; where the map halves, every other pixel and zero channels."""

        def __init__(self, inner: int, outer: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outer)
            self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outer)
            self.stride, self.more = stride, (outer - inner) // 2

        def forward(self, x: Tensor) -> Tensor:
            way = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
            if self.more:
                x = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more, self.more))
            return relu(way + x)

    class CifarResNet(nn.Module):
        """Of 6 n + 2 layers, n blocks in each stage."""

        def __init__(self, blocks: int, num_classes: int) -> None:
            super().__init__()
            first, second, third = WIDTHS
            self.conv1 = nn.Conv2d(3, first, 3, 1, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(first)
            self.layer1 = _stage(blocks, first, first, 1)
            self.layer2 = _stage(blocks, first, second, 2)
            self.layer3 = _stage(blocks, second, third, 2)
            self.linear = nn.Linear(third, num_classes)

        def forward(self, x: Tensor) -> Tensor:
            x = relu(self.bn1(self.conv1(x)))
            x = self.layer3(self.layer2(self.layer1(x)))
            return self.linear(torch.flatten(x.mean((2, 3)), 1))

    def _stage(blocks: int, inner: int, outer: int, stride: int) -> nn.Sequential:
        return nn.Sequential(Block(inner, outer, stride), *(Block(outer, outer, 1) for _ in range(blocks - 1)))

    return CifarResNet
