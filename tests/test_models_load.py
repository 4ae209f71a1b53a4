"""Naming and loading classifiers: the three kinds of spec, preprocessing, class names, one logit for two classes."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from xai_core import imagenet_classes, models
from xai_core.datasets import read_image
from xai_core.errors import BadInput
from xai_core.models import architectures, specs

ROOT = Path(__file__).resolve().parent.parent
TINY = "import:tests.tiny_networks:Tiny"


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def tiny_weights(tmp_path) -> Path:
    torch.manual_seed(3)
    network = models.build(models.architecture("import", "tests.tiny_networks:Tiny", 3))
    return models.save_weights(network.state_dict(), tmp_path / "tiny.safetensors")


def test_imagenet_mobilenet_is_right_on_real_images(real_data):
    weights = real_data / "weights" / "mobilenetv2_100_imagenet_fp16.safetensors"
    classifier = models.load(f"timm:mobilenetv2_100?weights={weights}&pad_type=same&classes=imagenet", device="cpu")
    assert classifier.class_names == imagenet_classes.names()
    folder = real_data / "imagenet_val"
    lines = (folder / "LOC_val_solution.csv").read_text().splitlines()[1:]
    truth = {line.split(",")[0]: line.split(",")[1].split()[0] for line in lines}
    paths = sorted((folder / "images").iterdir())
    frames = []
    for path in paths:
        image = read_image(path)
        frames.append(classifier.preprocessing.frame.place(image.shape[:2]).image(image))
    called = classifier.probabilities(classifier.normalise(np.stack(frames))).argmax(1)
    wnids = imagenet_classes.wnids()
    right = sum(wnids[c] == truth[path.stem] for c, path in zip(called.tolist(), paths, strict=True))
    assert len(paths) == 110
    assert right >= 85


def test_a_network_of_ones_own_proves_itself_on_cifar(real_data):
    spec = (
        f"import:xai_core.models.cifar_resnet:resnet56?weights={real_data / 'weights' / 'cifar10_resnet56.pth'}"
        "&classes=cifar10&size=32&fit=squash"
    )
    classifier = models.load(spec, device="cpu")
    assert classifier.cam_layer == "layer3"
    frames, labels = [], []
    with zipfile.ZipFile(real_data / "cifar10" / "cifar10_test_2000.zip") as archive:
        for k, name in enumerate(specs.CIFAR10):
            for n in range(30):
                image = Image.open(io.BytesIO(archive.read(f"test/{name}/{n:04d}.jpg"))).convert("RGB")
                frames.append(np.asarray(image))
                labels.append(k)
    called = classifier.probabilities(classifier.normalise(np.stack(frames))).argmax(1).numpy()
    # 83 % on all 2,000; the standard error of 300 is 2.2 points
    assert (called == np.array(labels)).mean() > 0.77


def test_a_spec_decides_everything(tiny_weights):
    spec = (
        f"{TINY}?weights={tiny_weights}&classes=a,b,c&size=40x64&fit=pad_reflect&mean=0.1,0.2,0.3&std=1,2,4"
        "&interpolation=lanczos&width=8"
    )
    classifier = models.load(spec, device="cpu")
    frame = classifier.preprocessing.frame
    assert (frame.size, frame.fit, frame.resize, frame.interpolation) == ((40, 64), "pad_reflect", 0, "lanczos")
    assert classifier.class_names == ("a", "b", "c")
    pixels = np.full((1, 40, 64, 3), 51, np.uint8)
    expected = (0.2 - np.array([0.1, 0.2, 0.3])) / np.array([1, 2, 4])
    np.testing.assert_allclose(classifier.normalise(pixels)[0, :, 7, 9], expected, atol=1e-6)
    assert classifier.architecture["options"] == {"width": 8}


def test_timm_settings_become_the_preprocessing():
    described = models.architecture("timm", "mobilenetv2_100", 1000)
    own = specs.preprocessing_for(described, {}, "here")
    assert (own.frame.size, own.frame.fit, own.frame.resize) == ((224, 224), "crop", 256)
    assert own.frame.interpolation == "bicubic"
    small = specs.preprocessing_for(described, {"size": "96"}, "here")
    assert (small.frame.size, small.frame.resize) == ((96, 96), 109)
    assert specs.preprocessing_for(described, {"fit": "squash"}, "here").frame.resize == 0
    assert models.Preprocessing.from_dict(small.as_dict()) == small


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("timm:mobilenetv2_10?classes=imagenet", "did you mean mobilenetv2_1"),
        ("timm:hf-hub:someone/something?classes=imagenet", "unknown name"),
        ("timm:test_resnet?pretrained=True&classes=imagenet&weights=x.pth", "weights="),
        ("timm:test_resnet?no_such_option=1&classes=imagenet&weights=x.pth", "no_such_option"),
        ("timm:test_resnet?size=big&classes=imagenet&weights=x.pth", "no such file"),
        (f"{TINY}?classes=a,b", "weights=FILE"),
        (f"{TINY}?weights=WEIGHTS", "classes="),
        (f"{TINY}?weights=WEIGHTS&classes=a,b,b", "b twice"),
        (f"{TINY}?weights=WEIGHTS&classes=a", "two or more"),
        (f"{TINY}?weights=WEIGHTS&classes=a,b", "head.weight (3, 16) for (2, 16)"),
        (f"{TINY}?weights=WEIGHTS&classes=a,b,c&size=big", "whole number"),
        (f"{TINY}?weights=WEIGHTS&classes=a,b,c&fit=stretch", "squash"),
        (f"{TINY}?weights=WEIGHTS&classes=a,b,c&resize=10", "10"),
        (f"{TINY}?weights=WEIGHTS&classes=a,b,c&mean=1,2", "three numbers"),
        (f"{TINY}?weights=WEIGHTS&classes=a,b,c&cam_layer=nowhere", "last_spatial"),
        (f"{TINY}?weights=WEIGHTS&classes=a,b,c&classes=a", "each once"),
        (f"{TINY}?weights=WEIGHTS&classes=a,b,c&colour=blue", "colour"),
        ("import:tests.tiny_networks:Nothing?weights=WEIGHTS&classes=a,b,c", "no such Nothing"),
        ("import:tests.tiny_networks:not_a_network?weights=WEIGHTS&classes=a,b,c", "torch.nn.Module"),
        ("import:no_such_package.module:Net?weights=WEIGHTS&classes=a,b,c", "no_such_package"),
        ("import:tests.tiny_networks:torch?weights=WEIGHTS&classes=a,b,c", "defined in tests.tiny_networks"),
        ("import:os:system?weights=WEIGHTS&classes=a,b,c&command=true", "standard library"),
        ("import:torch.hub:load?weights=WEIGHTS&classes=a,b,c", "standard library or torch"),
        ("models/nowhere", "card.json"),
        ("models/nowhere?step=3", "checkpoint=STEP"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(spec, said, tiny_weights):
    with pytest.raises(BadInput) as caught:
        models.load(spec.replace("WEIGHTS", str(tiny_weights)), device="cpu")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_logit_becomes_two(tmp_path):
    architecture = models.architecture("import", "tests.tiny_networks:OneLogit", 2)
    network = models.build(architecture)
    file = models.save_weights(network.state_dict(), tmp_path / "one.safetensors")
    spec = f"import:tests.tiny_networks:OneLogit?weights={file}&classes=no,yes&size=24x32"
    classifier = models.load(spec, device="cpu")
    batch = torch.randn(5, 3, 24, 32)
    z = network(batch)
    torch.testing.assert_close(classifier.logits(batch), torch.stack((torch.zeros(5), z), 1))
    torch.testing.assert_close(classifier.probabilities(batch)[:, 1], z.sigmoid())
    assert classifier.cam_layer == "network.weight"
    models.save(classifier, tmp_path / "kept")
    again = models.load(tmp_path / "kept", device="cpu")
    torch.testing.assert_close(again.logits(batch), classifier.logits(batch), rtol=0, atol=0)
    with pytest.raises(BadInput, match="1 outputs"):
        models.load(spec.replace("no,yes", "no,yes,perhaps"), device="cpu")


def test_the_hub_is_another_place_for_a_local_file(monkeypatch, tmp_path):
    network = models.build(models.architecture("timm", "test_resnet", 1000))
    file = models.save_weights(network.state_dict(), tmp_path / "model.safetensors")
    asked = []
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *names: asked.append(names) or str(file))
    classifier = models.load("timm:test_resnet", device="cpu")
    assert asked == [("timm/test_resnet.r160_in1k", "model.safetensors")]
    batch = torch.randn(2, 3, 160, 160)
    torch.testing.assert_close(classifier.logits(batch), network.eval()(batch).detach(), rtol=1e-4, atol=1e-5)


def test_a_hub_out_of_reach_is_bad_input(monkeypatch):
    def fail(*names):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    with pytest.raises(BadInput, match="give weights=FILE"):
        architectures.hub_weights("resnet50")
