"""Class activation maps against the grad-cam package's own, and against what they must equal by algebra."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from explainers_fixtures import hashes, mobilenet, network, pictures, small, wrap

from xai_core.explainers import explain
from xai_core.models.torchvision_operators import declare_missing_operators

CLASSES = {
    "grad_cam": "GradCAM",
    "grad_cam_plus_plus": "GradCAMPlusPlus",
    "layer_cam": "LayerCAM",
}


def packages_own(classifier, batch, targets, method, layer):
    """What grad-cam returns when used as documented."""
    declare_missing_operators()
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    classifier.network.requires_grad_(True)
    try:
        with getattr(pytorch_grad_cam, CLASSES[method])(
            classifier.network, [classifier.network.get_submodule(layer)]
        ) as cam:
            return cam(batch, [ClassifierOutputTarget(int(t)) for t in targets])
    finally:
        classifier.network.requires_grad_(False)
        classifier.network.zero_grad()


def rescaled_as_the_package_does(heatmaps, size):
    from pytorch_grad_cam.utils.image import scale_cam_image

    return scale_cam_image(scale_cam_image(heatmaps.numpy(), (size[1], size[0])))


@pytest.mark.parametrize(
    ("name", "layer", "size", "native", "methods"),
    [
        ("vgg11", "features.19", (224, 240), (14, 15), tuple(CLASSES)),
        ("vgg11", "features.20", (224, 240), (7, 7), ("grad_cam",)),
        ("resnet50", "layer4", (96, 160), (3, 5), tuple(CLASSES)),
    ],
)
def test_maps_equal_the_packages_after_its_own_rescaling(name, layer, size, native, methods):
    classifier = wrap(network(name), 1000, size, cam_layer=layer)
    batch = classifier.normalise(pictures(2, size))
    targets = torch.tensor([340, 77])
    for method in methods:
        ours = explain(classifier, batch, [targets], method, image_hashes=hashes(2))[0]
        assert tuple(ours.heatmaps.shape) == (2, *native)
        assert ours.layer == layer
        theirs = packages_own(classifier, batch, targets, method, layer)
        scaled = rescaled_as_the_package_does(ours.heatmaps, size)
        assert theirs.max() > 0.99  # a blank map would agree with anything
        np.testing.assert_allclose(scaled, theirs, atol=1e-4)


def test_grad_cam_of_a_pooled_head_is_the_head_applied_to_every_place():
    # DESIGN 6.2: with global average pooling before one linear layer the gradient is the class's row of weights / hw
    net = network("resnet50")
    classifier = wrap(net, 1000, (96, 160), cam_layer="layer4")
    batch = classifier.normalise(pictures(2, (96, 160), seed=3))
    targets = torch.tensor([5, 900])
    activations = net.forward_features(batch)
    expected = torch.einsum("nc,nchw->nhw", net.fc.weight[targets], activations).relu() / 15
    ours = explain(classifier, batch, [targets], "grad_cam", image_hashes=hashes(2))[0].heatmaps
    assert torch.allclose(ours, expected, rtol=1e-4, atol=1e-6)


def slow_gradients(net, layer, batch, targets):
    """Activations and gradients by hooks that keep a copy of both, back to the input."""
    kept = {}

    def keep(module, inputs, output):
        kept["a"] = output.clone().detach()
        output.register_hook(lambda g: kept.__setitem__("g", g.clone()))

    handle = net.get_submodule(layer).register_forward_hook(keep)
    batch = batch.clone().requires_grad_()
    net(batch).gather(1, targets[:, None]).sum().backward()
    handle.remove()
    return kept["a"], kept["g"]


@pytest.mark.parametrize("layer", ["features.0", "features.1", "features.2", "features.3"])
def test_a_layer_before_an_in_place_relu_shows_what_it_gave(layer):
    # the package keeps a view, which the ReLU behind a convolution overwrites
    classifier, frames = small(), pictures(3)
    batch, targets = classifier.normalise(frames), torch.tensor([0, 2, 1])
    a, g = slow_gradients(classifier.network, layer, batch, targets)
    maps = {
        "grad_cam": (g.mean((2, 3), keepdim=True) * a).sum(1).relu(),
        "layer_cam": (g.relu() * a).sum(1).relu(),
    }
    for method, expected in maps.items():
        ours = explain(classifier, batch, [targets], method, parameters={"layer": layer}, image_hashes=hashes(3))[0]
        assert torch.allclose(ours.heatmaps, expected, rtol=1e-5, atol=1e-7)


def test_grad_cam_plus_plus_is_equation_19():
    classifier, frames = small(), pictures(2)
    batch, targets = classifier.normalise(frames), torch.tensor([0, 2])
    a, g = (t.double().numpy() for t in slow_gradients(classifier.network, "features.3", batch, targets))
    expected = np.zeros((2, *a.shape[2:]))
    for n, c in np.ndindex(a.shape[:2]):
        total = a[n, c].sum()
        weight = 0.0
        for y, x in np.ndindex(a.shape[2:]):
            if (d := g[n, c, y, x]) != 0:
                weight += d**2 / (2 * d**2 + total * d**3 + 1e-6) * max(d, 0)
        expected[n] += weight * a[n, c]
    ours = explain(classifier, batch, [targets], "grad_cam_plus_plus", image_hashes=hashes(2))[0].heatmaps
    np.testing.assert_allclose(ours.numpy(), np.maximum(expected, 0), rtol=1e-4, atol=1e-6)


def test_maps_keep_their_magnitude():
    # twice the head, twice the map: per-image rescaling would hide it
    classifier, frames = small(), pictures(2)
    batch, targets = classifier.normalise(frames), [torch.tensor([0, 1])]
    one = explain(classifier, batch, targets, "grad_cam", image_hashes=hashes(2))[0].heatmaps
    with torch.no_grad():
        classifier.network.head.weight *= 2
    two = explain(classifier, batch, targets, "grad_cam", image_hashes=hashes(2))[0].heatmaps
    assert one.max() > 0
    assert torch.allclose(two, 2 * one)


def test_real_weights_see_the_object():
    from explainers_fixtures import real_frames

    classifier, frames = mobilenet(), real_frames(4)
    explained = explain(
        classifier, classifier.normalise(frames), [lambda p: p.argmax(1)], "grad_cam", image_hashes=hashes(4)
    )[0]
    assert explained.heatmaps.shape == (4, 7, 7)
    assert (explained.heatmaps.flatten(1).max(1).values > 0).all()
