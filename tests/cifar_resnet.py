"""The residual network of He et al. for CIFAR-10 (2016, section 4.2), with shortcuts that carry no weights (option A).

A network of one's own for the tests: a plain module that ``import:tests.cifar_resnet:resnet56`` names. Its tensors are
conv1, bn1, layer1 to layer3, linear.
"""

from __future__ import annotations

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
        short = x[:, :, :: self.stride, :: self.stride]
        return relu(way + pad(short, (0, 0, 0, 0, self.more, self.more)))


class CifarResNet(nn.Module):
    """6 n + 2 layers for 32 px images."""

    def __init__(self, blocks: int, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = stage(blocks, 16, 16, 1)
        self.layer2 = stage(blocks, 16, 32, 2)
        self.layer3 = stage(blocks, 32, 64, 2)
        self.linear = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(torch.flatten(x.mean((2, 3)), 1))


def stage(blocks: int, inner: int, outer: int, stride: int) -> nn.Sequential:
    first = Block(inner, outer, stride)
    return nn.Sequential(first, *(Block(outer, outer, 1) for _ in range(blocks - 1)))


def resnet56(num_classes: int = 10) -> CifarResNet:
    return CifarResNet(9, num_classes)
