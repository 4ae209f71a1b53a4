"""What a traced forward pass says of a network: its width, its head, the layers Grad-CAM can explain."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from xai_core.errors import BadInput
from xai_core.geometry import Frame
from xai_core.models import Classifier, Preprocessing, architecture, build, cam_layers, cam_module
from xai_core.models.layers import trace

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(ROOT)


def sketch(name: str, classes: int = 2) -> torch.nn.Module:
    """Return a network without numbers in it: shapes are all that these tests look at, and it is made at once."""
    with torch.device("meta"):
        return build(architecture("timm", name, classes))


def outputs(network: torch.nn.Module, paths: list[str], size: tuple[int, int]) -> list[tuple[int, ...]]:
    """Return the output shapes of modules, seen by hooks of the test's own."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in paths:
        network.get_submodule(path).register_forward_hook(
            lambda _m, _i, out, path=path: shapes.__setitem__(path, tuple(out.shape[1:]))
        )
    with torch.inference_mode():
        network.eval()(torch.zeros(1, 3, *size, device="meta"))
    return [shapes[p] for p in paths]


@pytest.mark.parametrize(("name", "relu"), [("vgg11", "features.19"), ("vgg11_bn", "features.27")])
def test_vgg_has_the_relu_before_the_last_pool_and_the_pool(name, relu):
    network = sketch(name)
    found = cam_layers(network, (224, 224))
    assert list(found) == ["relu_before_last_pool", "last_pool"]
    assert found["relu_before_last_pool"] == relu
    assert isinstance(network.get_submodule(relu), torch.nn.ReLU)
    assert outputs(network, list(found.values()), (224, 224)) == [(512, 14, 14), (512, 7, 7)]


@pytest.mark.parametrize(
    ("name", "layer", "head"),
    [
        ("resnet50", "layer4", "fc"),
        ("mobilenetv2_100", "bn2", "classifier"),
        ("densenet121", "features", "classifier"),
        ("resnet50_clip", "final_conv", "head.proj"),
        ("inception_v3", "Mixed_7c", "fc"),
    ],
)
def test_the_rule_finds_the_last_map(name, layer, head):
    size = (299, 299) if name == "inception_v3" else (224, 224)
    seen = trace(sketch(name, 5), size)
    assert (seen.width, seen.head, seen.cam_layers) == (5, head, {"last_spatial": layer})


def test_the_rule_holds_for_frames_that_are_not_square():
    network = build(architecture("import", "tests.tiny_networks:Tiny", 3))
    assert cam_layers(network, (40, 96)) == {"last_spatial": "body"}
    assert network.training, "a trace leaves the mode as it was"
    assert not any(m._forward_hooks for m in network.modules())


@pytest.mark.parametrize("name", ["test_vit", "swin_tiny_patch4_window7_224"])
def test_networks_of_tokens_have_no_layer_and_say_so(name):
    size = (160, 160) if name == "test_vit" else (224, 224)
    assert cam_layers(sketch(name), size) == {}


def test_grad_cam_on_tokens_is_told_what_to_use_instead():
    network = build(architecture("timm", "test_vit", 2))
    frame = Frame((160, 160), "squash", 0)
    classifier = Classifier(network, Preprocessing(frame), ("a", "b"), {"name": "test_vit"}, cam_layer="", device="cpu")
    with pytest.raises(BadInput, match="gradient method or lime"):
        cam_module(classifier)
    assert cam_module(classifier, "head")[0] == "head"


class SmallVgg(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers = (torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(inplace=True), torch.nn.MaxPool2d(2))
        self.features = torch.nn.Sequential(*layers)
        self.last = torch.nn.LazyLinear(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.features(x).flatten(1))


def test_a_layer_has_a_name_or_a_path():
    network = SmallVgg()
    frame = Frame((24, 32), "squash", 0)
    network(torch.zeros(1, 3, 24, 32))
    classifier = Classifier(
        network, Preprocessing(frame), ("a", "b"), {"name": "small"}, cam_layer="features.1", device="cpu"
    )
    assert cam_module(classifier)[0] == "features.1"
    assert cam_module(classifier, "last_pool") == ("features.2", network.features[2])
    assert cam_module(classifier, "features.0")[0] == "features.0"
    with pytest.raises(BadInput, match="nowhere"):
        cam_module(classifier, "nowhere")


def test_a_network_that_cannot_take_the_frame_is_refused():
    with pytest.raises(BadInput, match="size="):
        trace(sketch("swin_tiny_patch4_window7_224"), (96, 96))
    with pytest.raises(BadInput, match=r"\(1, 4, 8, 8\)"):
        trace(torch.nn.Conv2d(3, 4, 1), (8, 8))
