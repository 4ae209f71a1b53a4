"""Features: the final layer applied to them gives the logits, whatever the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.runs_fixtures import tiny_classifier
from xai_core import models
from xai_core.errors import BadInput
from xai_core.geometry import Frame
from xai_core.models import Classifier, Preprocessing
from xai_core.models.architectures import two_from_one
from xai_core.probes import features


def classifier_of(network: torch.nn.Module, size: tuple[int, int], classes: int, **architecture) -> Classifier:
    names = tuple(f"class {k}" for k in range(classes))
    preprocessing = Preprocessing(Frame(size, "squash", 0))
    return Classifier(network, preprocessing, names, architecture, cam_layer="", device="cpu")


def noise(classifier: Classifier, n: int) -> np.ndarray:
    size = classifier.preprocessing.frame.size
    return np.random.default_rng(2).integers(0, 256, (n, *size, 3)).astype(np.uint8)


def expect_logits(classifier: Classifier, head: torch.nn.Linear, width: int, n: int = 3) -> None:
    frames = noise(classifier, n)
    found = features.features_of(classifier, frames)
    assert found.shape == (n, width)
    assert found.dtype == np.float32
    with torch.no_grad():
        answered = head(torch.from_numpy(found))
    logits = classifier.logits(classifier.normalise(frames))
    torch.testing.assert_close(answered, logits, rtol=1e-5, atol=1e-5)
    assert not head._forward_pre_hooks


@pytest.mark.parametrize(
    ("name", "options", "width"),
    # a narrow first dense layer: drawing 100 million weights takes longer than all other tests here
    [("vgg11", {"mlp_ratio": 0.02}, 4096), ("resnet50", {}, 2048), ("mobilenetv2_100", {}, 1280)],
)
def test_timm_networks(name, options, width):
    torch.manual_seed(0)
    network = models.build(models.architecture("timm", name, 3, options))
    classifier = classifier_of(network, (64, 96), 3)
    expect_logits(classifier, network.get_classifier(), width)


def test_the_sample_classifier():
    classifier = models.load("sample_data/models/demo", device="cpu")
    head = classifier.network.get_classifier()
    # more than one batch, the last one padded
    expect_logits(classifier, head, head.in_features, n=features.BATCH + 3)


def test_a_network_of_ones_own(real_data):
    weights = real_data / "weights" / "cifar10_resnet56.pth"
    spec = f"import:xai_core.models.cifar_resnet:resnet56?weights={weights}&classes=cifar10&size=32&fit=squash"
    classifier = models.load(spec, device="cpu")
    expect_logits(classifier, classifier.network.linear, 64, n=5)


def test_the_row_of_an_image_does_not_depend_on_the_others():
    classifier = tiny_classifier()
    frames = noise(classifier, features.BATCH + 5)
    together = features.features_of(classifier, frames)
    alone = np.concatenate([features.features_of(classifier, frames[k : k + 1]) for k in range(len(frames))])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert features.features_of(classifier, frames[:0]).shape == (0, 16)


def test_one_logit_made_two():
    torch.manual_seed(1)
    inner = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d((2, 3)), torch.nn.Flatten(), torch.nn.Linear(18, 1))
    classifier = classifier_of(two_from_one(inner), (20, 31), 2, single_logit=True)
    frames = noise(classifier, 4)
    with torch.no_grad():
        z = inner[2](torch.from_numpy(features.features_of(classifier, frames)))
    torch.testing.assert_close(z[:, 0], classifier.logits(classifier.normalise(frames))[:, 1], rtol=0, atol=1e-5)


def test_a_convolution_as_the_last_layer():
    torch.manual_seed(1)
    last = torch.nn.Conv2d(5, 3, 1)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 5, 3, 2), torch.nn.ReLU(), last, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    classifier = classifier_of(network, (20, 31), 3)
    frames = noise(classifier, 2)
    with torch.no_grad():
        answered = last(torch.from_numpy(features.features_of(classifier, frames))[..., None, None])[..., 0, 0]
    torch.testing.assert_close(answered, classifier.logits(classifier.normalise(frames)), rtol=0, atol=1e-5)


def test_a_network_without_such_a_layer_is_refused():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    classifier = classifier_of(network, (20, 31), 4, name="headless")
    with pytest.raises(BadInput, match="headless: expected a network that ends in a linear layer"):
        features.features_of(classifier, noise(classifier, 1))
