"""The door: what it refuses, what it leaves behind, and that a result depends on its own image alone."""

from __future__ import annotations

import gc
import inspect
import threading
import weakref

import numpy as np
import pytest
import torch
from explainers_fixtures import SIZE, hashes, network, pictures, small, wrap

from xai_core.errors import BadInput
from xai_core.explainers import METHODS, explain
from xai_core.explainers.request import seed_of

QUICK = {"lime": {"num_samples": 60}, "smooth_grad": {"samples": 3}, "integrated_gradients": {"steps": 4}}
FIELDS = ("heatmaps", "targets", "probabilities", "coefficients", "intercepts", "r2", "stability", "segments")


def run(classifier, method, frames, targets, names=None, **more):
    names = names or hashes(len(frames))
    batch = classifier.normalise(frames)
    more = {"parameters": QUICK.get(method), "frames": frames, "image_hashes": names} | more
    return explain(classifier, batch, targets, method, **more)


def rows_of(explanation, k):
    found = {name: getattr(explanation, name) for name in FIELDS}
    rows = {name: values[k] for name, values in found.items() if values is not None}
    if "coefficients" in rows:
        rows["coefficients"] = rows["coefficients"][~rows["coefficients"].isnan()]
    return rows


@pytest.mark.parametrize("method", METHODS)
def test_the_bits_of_a_result_depend_on_its_image_alone(method):
    classifier, frames, names = small(), pictures(5), hashes(5)
    targets = torch.tensor([2, 0, 1, 1, 0])
    order = [3, 1, 4, 0, 2]
    first = run(classifier, method, frames, [targets])[0]
    moved = run(classifier, method, frames[order], [targets[order]], [names[k] for k in order])[0]
    alone = run(classifier, method, frames[[4, 0, 0, 0, 0]], [targets[4:]], names[4:], valid=1)[0]
    for k in range(5):
        for name, value in rows_of(first, k).items():
            assert torch.equal(value, rows_of(moved, order.index(k))[name]), (method, name)
    for name, value in rows_of(first, 4).items():
        assert torch.equal(value, rows_of(alone, 0)[name]), (method, name)
    assert len(alone.heatmaps) == 1


@pytest.mark.parametrize("method", ["grad_cam", "gradient"])
@pytest.mark.parametrize(("name", "layer"), [("mobilenetv2_100", "bn2"), ("resnet18", "layer4")])
def test_so_it_is_with_networks_that_people_use(name, layer, method):
    size = (96, 64)
    classifier, frames = wrap(network(name), 1000, size, cam_layer=layer), pictures(7, size)
    order = [6, 3, 1, 5, 4, 0, 2]
    targets = torch.arange(7) * 100
    first = run(classifier, method, frames, [targets])[0]
    moved = run(classifier, method, frames[order], [targets[order]])[0]
    assert torch.equal(first.heatmaps[order], moved.heatmaps)
    assert torch.equal(first.probabilities[order], moved.probabilities)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("classes", [2, 3])
def test_several_targets_in_one_pass_are_what_each_gives_alone(method, classes):
    classifier, frames = small(classes), pictures(3)
    vectors = [torch.tensor([0, 1, 1]), torch.tensor([1, 1, 0]), lambda p: p.argmax(1)]
    together = run(classifier, method, frames, vectors)
    assert len(together) == 3
    for one, vector in zip(together, vectors, strict=True):
        alone = run(classifier, method, frames, [vector])[0]
        for name in FIELDS:
            a, b = getattr(one, name), getattr(alone, name)
            assert (a is None) == (b is None)
            # several right-hand sides are solved by another routine than one
            assert a is None or torch.allclose(a.double(), b.double(), rtol=1e-9, atol=1e-12, equal_nan=True), name
    differs = not torch.equal(together[0].heatmaps, together[1].heatmaps)
    assert differs != METHODS[method].class_agnostic


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_bits_and_leaves_the_global_generators_alone(method):
    classifier, frames = small(), pictures(2)
    targets = [torch.tensor([0, 1])]
    torch.manual_seed(5)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    a, b = (run(classifier, method, frames, targets)[0].heatmaps for _ in range(2))
    assert torch.equal(a, b)
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])  # noqa: NPY002
    other = run(classifier, method, frames, targets, seed=1)[0].heatmaps
    assert torch.equal(a, other) != (method in ("lime", "smooth_grad", "random_map"))


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_left_behind(method):
    classifier, frames = small(), pictures(2)
    weights = {name: value.clone() for name, value in classifier.network.state_dict().items()}
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    explained = run(classifier, method, frames, [torch.tensor([0, 1])])[0]
    assert not explained.heatmaps.requires_grad
    assert not any(getattr(module, hook) for module in classifier.network.modules() for hook in hooks)
    assert not classifier.network.training
    for parameter in classifier.network.parameters():
        assert not parameter.requires_grad
        assert parameter.grad is None
    for name, value in classifier.network.state_dict().items():
        assert torch.equal(value, weights[name])
    kept = weakref.ref(explained.heatmaps)
    del explained
    gc.collect()
    assert kept() is None


def test_memory_does_not_grow_over_a_loop():
    classifier, frames = small(), pictures(2)

    def tensors():
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    run(classifier, "grad_cam", frames, [torch.tensor([0, 1])])
    before = tensors()
    for _ in range(20):
        run(classifier, "grad_cam", frames, [torch.tensor([0, 1])])
    assert tensors() <= before


def test_hooks_go_where_the_network_fails():
    classifier = small()
    classifier.network.head = torch.nn.Identity()
    classifier.network.head.forward = lambda x: 1 / 0
    with pytest.raises(ZeroDivisionError):
        run(classifier, "grad_cam", pictures(1), [torch.tensor([0])])
    assert not any(module._forward_hooks for module in classifier.network.modules())


def test_the_lock_is_held_while_the_network_runs():
    classifier, held = small(), []

    def try_it(module, inputs):
        def from_another_thread():
            held.append(not classifier.lock.acquire(blocking=False))

        thread = threading.Thread(target=from_another_thread)
        thread.start()
        thread.join()

    handle = classifier.network.register_forward_pre_hook(try_it)
    run(classifier, "gradient", pictures(1), [torch.tensor([0])])
    handle.remove()
    assert held
    assert all(held)
    assert classifier.lock.acquire(blocking=False)


@pytest.mark.parametrize("method", METHODS)
def test_probabilities_are_those_of_plain_inference(method):
    classifier, frames = small(), pictures(3)
    plain = classifier.probabilities(classifier.normalise(frames))
    seen = []

    def predicted(probabilities):
        seen.append(probabilities)
        return (probabilities[:, 1] >= 0.3).long()

    explained = run(classifier, method, frames, [predicted], valid=2, image_hashes=hashes(2))[0]
    assert torch.equal(explained.probabilities, plain[:2])
    assert torch.equal(seen[0], plain[:2])
    assert torch.equal(explained.targets, (plain[:2, 1] >= 0.3).long())


def test_a_batch_from_inference_mode_and_read_only_frames_serve():
    classifier, frames = small(), pictures(2)
    frames.flags.writeable = False
    with torch.inference_mode():
        batch = classifier.normalise(frames.copy())
    for method in METHODS:
        explain(
            classifier, batch, [np.array([0, 1])], method,
            parameters=QUICK.get(method), image_hashes=hashes(2), frames=frames,
        )  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_bfloat16_gives_the_same_picture(method):
    frames, targets = pictures(3), [torch.tensor([0, 1, 2])]
    exact = run(small(), method, frames, targets)[0].heatmaps.flatten(1)
    rough = run(small(precision="bfloat16"), method, frames, targets)[0].heatmaps.flatten(1)
    likeness = torch.nn.functional.cosine_similarity(exact, rough)
    assert likeness.min() > 0.8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": []}, "targets: expected at least one target vector; found none"),
        ({"targets": [torch.tensor([0, 1])]}, "targets: expected 3 values; found 2"),
        ({"targets": [torch.tensor([0, 1, 3])]}, "targets: expected 0 to 2; found 0 to 3"),
        ({"targets": [torch.tensor([0, -1, 1])]}, "targets: expected 0 to 2; found -1 to 1"),
        ({"targets": [torch.tensor([0.0, 1.0, 1.0])]}, r"expected \(3,\) integers"),
        ({"targets": [lambda p: p.argmax(1)[:2]]}, r"expected \(3,\) integers; found \(2,\)"),
        ({"targets": [lambda p: p.argmax(1) + 5]}, "targets: expected 0 to 2"),
        ({"method": "grad_camera"}, "method: expected grad_cam or"),
        ({"parameters": {"depth": 3}}, "Grad-CAM: expected layer; found depth"),
        ({"parameters": {"layer": "features.9"}}, "try features.3"),
        ({"parameters": {"layer": "head"}}, r"expected a module that gives \(N, C, h, w\); found head"),
        ({"parameters": {"layer": 3}}, "expected text; found 3"),
        ({"image_hashes": hashes(2)}, "image_hashes: expected 3 values; found 2"),
        (
            {"batch": torch.zeros(3, 3, 56, 40)},
            r"batch: expected \(N, 3, 40, 56\) torch.float32; found \(3, 3, 56, 40\)",
        ),
        ({"batch": torch.zeros(3, 3, *SIZE).double()}, "found .* torch.float64"),
        ({"frames": np.zeros((3, 56, 40, 3), np.uint8)}, "frames: expected"),
        ({"frames": np.zeros((3, *SIZE, 3))}, "frames: expected .* uint8; found .* torch.float64"),
        ({"segments": np.zeros((3, *SIZE))}, "segments: expected .* integers"),
        ({"valid": 4}, "valid: expected 1 to 3; found 4"),
        ({"method": "edge_map", "frames": None}, "Edge map: expected frames; found none"),
        ({"method": "lime", "frames": None}, "LIME: expected frames or segments; found neither"),
        ({"method": "lime", "parameters": {"num_samples": 1}}, "expected int from 10 to 100000; found 1"),
        ({"method": "lime", "parameters": {"num_samples": 10.5}}, "found 10.5"),
        ({"method": "smooth_grad", "parameters": {"noise": float("nan")}}, "expected float from 0 to 1; found nan"),
        (
            {"method": "lime", "segments": np.full((3, *SIZE), 2)},
            "expected numbers 0 to S - 1; found 1 values from 2 to 2",
        ),
    ],
)
def test_bad_input_is_refused_in_one_line(change, message):
    classifier, frames = small(), pictures(3)
    given = {
        "batch": classifier.normalise(frames),
        "targets": [torch.tensor([0, 1, 2])],
        "method": "grad_cam",
        "image_hashes": hashes(3),
        "frames": frames,
    } | change
    with pytest.raises(BadInput, match=message) as caught:
        explain(classifier, **given)
    assert "\n" not in str(caught.value)


def test_a_network_with_another_number_of_classes_is_refused():
    classifier = small(3)
    classifier.class_names = ("a", "b")
    with pytest.raises(BadInput, match="expected 2 logits; found 3"):
        run(classifier, "gradient", pictures(1), [torch.tensor([0])])


@pytest.mark.parametrize("method", ["grad_cam", "lime", "random_map"])
def test_what_is_not_finite_is_named(method):
    class Broken(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.features = torch.nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return self.features(x).mean((2, 3)) * torch.where(x.amax((1, 2, 3)) > 2.3, torch.nan, 1.0)[:, None]

    frames = pictures(3)
    frames[1, 2, 3] = 255
    with pytest.raises(FloatingPointError, match=rf"{METHODS[method].title} is not finite .* \[1\]"):
        run(wrap(Broken(), 4, cam_layer="features"), method, frames, [torch.tensor([0, 1, 2])])


def test_descriptions_say_what_a_form_needs():
    for name, description in METHODS.items():
        assert description.needs in ("predict", "gradients"), name
        assert inspect.getdoc(description.run), name
        assert description.settle({}) == {n: p.default for n, p in description.parameters.items()}
        for parameter in description.parameters.values():
            assert parameter.help
            assert parameter.check(parameter.default, name) == parameter.default
            assert type(parameter.default) is parameter.type
    assert {n for n, d in METHODS.items() if d.class_agnostic} == {"random_map", "centre_blob", "edge_map"}
    assert {n for n, d in METHODS.items() if d.signed} == {"lime", "integrated_gradients"}


def test_a_seed_comes_from_image_method_and_run():
    seeds = {seed_of(h, m, s) for h in ("a", "b") for m in ("lime", "smooth_grad") for s in (0, 1)}
    assert len(seeds) == 8
    assert seed_of("a", "lime", 0) == seed_of("a", "lime", 0)
    assert all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("method", METHODS)
def test_cuda_gives_the_same_heatmaps(method):
    frames, targets = pictures(3), [torch.tensor([0, 1, 2])]
    there = run(small(device="cuda"), method, frames, targets)[0]
    here = run(small(), method, frames, targets)[0]
    assert there.heatmaps.device.type == "cuda"
    scale = here.heatmaps.abs().max()
    assert torch.allclose(there.heatmaps.cpu() / scale, here.heatmaps / scale, atol=1e-2)
