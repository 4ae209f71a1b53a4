"""Cascading randomisation: what algebra says of a linear network, and what must stay as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from tests.explainers_fixtures import SIZE, Linear, hashes, pictures, small, wrap
from tests.tiny_networks import Tiny
from xai_core.errors import BadInput
from xai_core.probes import randomise
from xai_core.probes.randomise import Subject, cascade, layer_groups, similarity


def subject(method: str, classes: int = 3, count: int = 5, **more) -> Subject:
    return Subject(pictures(count), np.arange(count) % classes, hashes(count), method, **{"batch_size": 4} | more)


def state_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("seed", [0, 7])
def test_on_a_linear_network_the_correlation_is_that_of_the_weight_rows(seed):
    """The gradient of a linear network is its row of weights, the same for every image of a class."""
    classifier = wrap(Linear(3), 3, cam_layer="")
    made = subject("gradient")
    (level,) = cascade(classifier, made, made.heatmaps(classifier, seed), seed=seed)
    drawn = torch.randn((3, 3, *SIZE), generator=randomise.weights_of(seed))
    for k, target in enumerate(made.targets):
        old = classifier.network.weight[target].abs().sum(0).numpy()
        new = drawn[target].abs().sum(0).numpy()  # ranks do not depend on the deviation
        assert level.spearman[k] == pytest.approx(spearmanr(old.ravel(), new.ravel()).statistic, abs=1e-4)
    # 7 is what the network's own weights were drawn with: the new ones are others
    assert abs(level.spearman).max() < 0.1
    assert level.layer == "the whole network"


def test_a_copy_is_randomised_and_nothing_of_the_classifier():
    torch.manual_seed(0)
    classifier = wrap(Tiny(3), 3, cam_layer="body.1")
    before, flags = state_of(classifier.network), [m.training for m in classifier.network.modules()]
    made = subject("grad_cam")
    first = cascade(classifier, made, made.heatmaps(classifier, 0))
    assert [level.layer for level in first] == ["head", "body.0", "stem.0"]
    after = classifier.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert flags == [m.training for m in classifier.network.modules()]
    torch.randn(5)  # nothing comes from the global generator
    again = cascade(classifier, made, made.heatmaps(classifier, 0))
    other = cascade(classifier, made, made.heatmaps(classifier, 0), seed=1)
    for one, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one.spearman, same.spearman)
        np.testing.assert_array_equal(one.ssim, same.ssim)
        assert not np.array_equal(one.spearman, different.spearman)


def test_each_level_draws_its_layers_once_and_keeps_those_drawn_before(monkeypatch):
    torch.manual_seed(0)
    classifier, states = wrap(Tiny(3), 3, cam_layer="body.1"), []
    made = subject("gradient")
    originals, explain = made.heatmaps(classifier, 0), Subject.heatmaps

    def watched(self, asked, *rest):
        states.append(state_of(asked.network))
        return explain(self, asked, *rest)

    monkeypatch.setattr(Subject, "heatmaps", watched)
    cascade(classifier, made, originals)
    layers = [["head."], ["head.", "body."], ["head.", "body.", "stem."]]
    trained = classifier.network.state_dict()
    for state, drawn in zip(states, layers, strict=True):
        for name in trained:
            if not name.endswith(("num_batches_tracked", "stem.1.weight", "stem.1.bias")):
                assert torch.equal(state[name], trained[name]) != name.startswith(tuple(drawn)), name
    assert all(torch.equal(states[0][n], states[-1][n]) for n in ("head.weight", "head.bias"))
    assert (states[-1]["head.bias"] == 0).all()
    # two thousand draws: deviation (2 / fan-in) ** 0.5 to a few per cent
    weight = states[-1]["body.0.weight"]
    assert float(weight.std()) == pytest.approx((2 / weight[0].numel()) ** 0.5, rel=0.1)


def test_statistics_of_batch_norm_are_those_of_the_probed_images():
    torch.manual_seed(0)
    classifier = wrap(Tiny(3), 3, cam_layer="body.1")
    randomised = randomise._copy_of(classifier)
    made = subject("gradient", count=8)
    stem = randomised.network.stem
    randomise._draw_anew(stem[0], torch.Generator().manual_seed(3))
    randomise._settle_statistics(randomised, [stem[1]], made)
    seen = stem[0](randomised.normalise(made.frames))
    means = torch.stack([half.mean((0, 2, 3)) for half in seen.split(4)]).mean(0)
    variances = torch.stack([half.var((0, 2, 3)) for half in seen.split(4)]).mean(0)
    np.testing.assert_allclose(stem[1].running_mean, means, atol=1e-5)
    np.testing.assert_allclose(stem[1].running_var, variances, rtol=1e-4)
    assert not stem[1].training
    assert stem[1].momentum == 0.1


def test_layers_go_in_few_groups_the_last_one_alone_and_all_of_them_once():
    deep = nn.Sequential(*[nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)) for _ in range(30)], nn.Linear(3, 2))
    groups = layer_groups(deep)
    assert len(groups) == randomise.LEVELS
    assert groups[0] == ["30"]
    owners = [name for name, module in deep.named_modules() if list(module.parameters(recurse=False))]
    assert [name for group in groups[::-1] for name in group] == owners
    # a normalisation is never parted from its layer
    assert all(group[0].endswith(".0") for group in groups[1:])
    assert {len(group) for group in groups[1:]} <= {8, 10}
    assert [len(group) for group in layer_groups(deep, 2)] == [1, 60]
    assert layer_groups(deep, 1) == [owners]
    with pytest.raises(BadInput, match="a network with weights"):
        layer_groups(nn.ReLU())


def test_similarity_is_scipy_s_and_undefined_for_a_constant_heatmap():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 6, 9, 11))
    second[:3] = first[:3] + second[:3]
    first[4], second[5] = 0.0, -3.0
    spearman, ssim = similarity(first, second)
    for k in range(4):
        expected = spearmanr(np.abs(first[k]).ravel(), np.abs(second[k]).ravel()).statistic
        assert spearman[k] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(spearman).tolist() == np.isnan(ssim).tolist() == [False] * 4 + [True] * 2
    assert spearman[:3].min() > spearman[3]
    # sign and scale do not count, and small heatmaps have a smaller window
    np.testing.assert_allclose(similarity(first[:4], -5 * first[:4]), np.ones((2, 4)))
    assert similarity(first[:1, :4, :3], second[:1, :4, :3])[1][0] == pytest.approx(
        similarity(7 * first[:1, :4, :3], second[:1, :4, :3])[1][0]
    )


@pytest.mark.parametrize("method", ["edge_map", "centre_blob", "random_map"])
def test_a_control_does_not_depend_on_the_network(method):
    classifier, made = small(), subject(method)
    for level in cascade(classifier, made, made.heatmaps(classifier, 0)):
        np.testing.assert_allclose(level.spearman, 1.0)
        np.testing.assert_allclose(level.ssim, 1.0)


def test_lime_uses_the_segments_it_was_given():
    classifier = small()
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    segments = np.stack([y * 3 // SIZE[0] * 4 + x * 4 // SIZE[1]] * 3)
    told = []
    made = Subject(
        pictures(3), np.array([0, 1, 2]), hashes(3), "lime", {"num_samples": 60}, segments=segments, batch_size=4
    )
    originals = made.heatmaps(classifier, 0)
    assert all(len(np.unique(heatmap)) == 12 for heatmap in originals)
    levels = cascade(classifier, made, originals, levels=2, told=told.append)
    assert sum(told) == 3 * len(levels) == 6
    assert np.nanmax(levels[-1].spearman) < 0.99
