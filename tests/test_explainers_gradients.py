"""Gradient methods against analytic answers, a slow twin and completeness."""

from __future__ import annotations

import torch
from explainers_fixtures import SIZE, Linear, hashes, network, pictures, small, wrap

from xai_core.explainers import explain
from xai_core.explainers.request import seed_of


def heatmaps(classifier, frames, targets, method, **parameters):
    batch = classifier.normalise(frames)
    return explain(classifier, batch, [targets], method, parameters=parameters, image_hashes=hashes(len(frames)))[
        0
    ].heatmaps


def test_the_gradient_of_a_linear_classifier_is_its_weights():
    classifier, targets = wrap(Linear(4), 4), torch.tensor([3, 0, 2])
    found = heatmaps(classifier, pictures(3), targets, "gradient")
    assert torch.allclose(found, classifier.network.weight[targets].abs().sum(1))


def test_the_gradient_is_the_slope_of_the_logit():
    classifier, frames = small(), pictures(2)
    batch, targets = classifier.normalise(frames).double(), torch.tensor([2, 0])
    net, step = small().network.double(), 1e-6
    found = heatmaps(classifier, frames, targets, "gradient")
    for y, x in ((3, 50), (20, 11), (39, 0)):
        slopes = torch.zeros(2, dtype=torch.float64)
        for colour in range(3):
            moved = batch.clone()
            moved[:, colour, y, x] += step
            slopes += ((net(moved) - net(batch)).gather(1, targets[:, None])[:, 0] / step).abs()
        assert torch.allclose(found[:, y, x].double(), slopes, atol=1e-5)


def test_smooth_grad_without_noise_is_the_gradient():
    classifier, frames, targets = small(), pictures(2), torch.tensor([1, 2])
    still = heatmaps(classifier, frames, targets, "smooth_grad", noise=0, samples=3)
    assert torch.allclose(still, heatmaps(classifier, frames, targets, "gradient"), atol=1e-6)


def test_smooth_grad_is_the_mean_gradient_over_each_samples_own_noise():
    classifier, frames, targets = small(), pictures(2), torch.tensor([1, 2])
    batch = classifier.normalise(frames)
    found = heatmaps(classifier, frames, targets, "smooth_grad", noise=0.2, samples=4)
    for k in range(2):
        generator = torch.Generator().manual_seed(seed_of(hashes(2)[k], "smooth_grad", 0))
        total = torch.zeros(3, *SIZE)
        for _ in range(4):
            deviation = 0.2 * (batch[k].max() - batch[k].min())
            noisy = (batch[k] + deviation * torch.randn((3, *SIZE), generator=generator)).requires_grad_()
            total += torch.autograd.grad(classifier.network(noisy[None])[0, targets[k]], noisy)[0]
        assert torch.allclose(found[k], (total / 4).abs().sum(0), atol=1e-6)
    assert not torch.allclose(found, heatmaps(classifier, frames, targets, "gradient"), atol=1e-3)


def test_integrated_gradients_are_complete():
    classifier, frames, targets = small(), pictures(3), torch.tensor([1, 2, 0])
    batch = classifier.normalise(frames)
    black = classifier.normalise(frames * 0)
    gained = (classifier.logits(batch) - classifier.logits(black)).gather(1, targets[:, None])[:, 0]
    found = heatmaps(classifier, frames, targets, "integrated_gradients", steps=100)
    assert torch.allclose(found.sum((1, 2)), gained, atol=0.03 * float(gained.abs().max()))


def test_integrated_gradients_of_a_linear_classifier_are_weight_times_distance_from_black():
    classifier, frames, targets = wrap(Linear(4), 4), pictures(2), torch.tensor([3, 0])
    distance = classifier.normalise(frames) - classifier.normalise(frames * 0)
    found = heatmaps(classifier, frames, targets, "integrated_gradients", steps=5)
    assert torch.allclose(found, (classifier.network.weight[targets] * distance).sum(1), atol=1e-5)
    assert (found < 0).any()


def test_in_place_relus_of_vgg_do_no_harm():
    # hooks on modules fail on them: pytorch-grad-cam 147, captum 973
    classifier = wrap(network("vgg11"), 1000, (224, 224), cam_layer="features.20")
    frames, targets = pictures(1, (224, 224)), torch.tensor([3])
    for method, parameters in {"gradient": {}, "integrated_gradients": {"steps": 2}}.items():
        assert heatmaps(classifier, frames, targets, method, **parameters).abs().max() > 0
