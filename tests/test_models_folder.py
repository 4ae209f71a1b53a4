"""The model folder and the digest that proves it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from xai_core import models
from xai_core.errors import BadInput
from xai_core.geometry import Frame
from xai_core.models.classifier import digest_of

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURE = {
    "source": "import",
    "name": "tests.tiny_networks:Tiny",
    "classes": 2,
    "options": {"width": 4},
    "single_logit": False,
}
TIMM = ARCHITECTURE | {"source": "timm", "name": "test_vit", "options": {"checkpoint_path": "x"}}


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(ROOT)


def classifier(precision="float32", classes=("a", "b"), fit="crop", seed=0) -> models.Classifier:
    torch.manual_seed(seed)
    preprocessing = models.Preprocessing(Frame((24, 40), fit, 48 if fit == "crop" else 0))
    network = models.build(ARCHITECTURE)
    return models.Classifier(
        network, preprocessing, classes, ARCHITECTURE, cam_layer="body", device="cpu", precision=precision
    )


def test_a_folder_gives_the_same_classifier(tmp_path):
    one = classifier()
    card = models.save(one, tmp_path / "m", {"note": "kept"})
    again = models.load(str(tmp_path / "m"), device="cpu")
    batch = torch.randn(3, 3, 24, 40)
    assert torch.equal(one.logits(batch), again.logits(batch))
    assert again.digest == one.digest == card["digest"]
    assert again.preprocessing == one.preprocessing
    assert (again.class_names, again.cam_layer) == (one.class_names, one.cam_layer)
    assert json.loads((tmp_path / "m" / "card.json").read_text())["note"] == "kept"


def test_the_digest_identifies_network_preprocessing_and_classes():
    known = classifier().digest
    assert classifier().digest == known
    assert classifier(precision="bfloat16").digest == known
    others = [classifier(classes=("a", "c")), classifier(fit="squash"), classifier(seed=1)]
    assert len({known, *(c.digest for c in others)}) == 4


def test_the_digest_is_this_one():
    # a golden value: stored runs name classifiers by it
    state = {"b": torch.arange(6, dtype=torch.float16).reshape(2, 3), "a": torch.tensor(3)}
    assert digest_of(state, {"x": 1}) == digest_of({k: state[k].clone() for k in ("a", "b")}, {"x": 1})
    assert digest_of(state, {"x": 1}) == "0441dde28f6417ac4108da48c39591f4f64a254b34e787796c5bc34440877475"


def test_rounded_weights_are_not_stored(tmp_path):
    with pytest.raises(ValueError, match="float32"):
        models.save(classifier("bfloat16"), tmp_path / "m")


def test_weights_and_card_belong_together(tmp_path):
    models.save(classifier(), tmp_path / "m")
    models.save_weights(classifier(seed=1).network.state_dict(), tmp_path / "m" / "weights.safetensors")
    with pytest.raises(BadInput, match="restore card.json and weights.safetensors together"):
        models.load(tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "another"}, "another"),
        ({"class_names": None}, "class_names"),
        ({"architecture": ARCHITECTURE | {"source": "pickle"}}, "source timm or import"),
        ({"architecture": ARCHITECTURE | {"name": "os:system", "options": {"command": "true"}}}, "standard library"),
        ({"architecture": TIMM}, "options of the network"),
        ({"architecture": ARCHITECTURE | {"options": {"width": 5}}}, "of another shape"),
    ],
)  # fmt: skip
def test_a_card_from_anywhere_can_only_describe(tmp_path, change, said):
    models.save(classifier(), tmp_path / "m")
    path = tmp_path / "m" / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadInput, match=said):
        models.load(tmp_path / "m")


def test_checkpoints_lie_over_the_weights(tmp_path):
    one = classifier()
    models.save(one, tmp_path / "m")
    head = {"head.bias": torch.tensor([2.0, -1.0])}
    models.save_weights(head, tmp_path / "m" / "checkpoints" / "step-000012.safetensors")
    assert models.checkpoints(tmp_path / "m") == (12,)
    then = models.load(f"{tmp_path / 'm'}?checkpoint=12", device="cpu")
    batch = torch.randn(3, 3, 24, 40)
    moved = one.logits(batch) - one.network.head.bias + head["head.bias"]
    np.testing.assert_allclose(then.logits(batch), moved, atol=1e-5)
    assert then.digest != one.digest
    with pytest.raises(BadInput, match="no such file"):
        models.load(f"{tmp_path / 'm'}?checkpoint=13")


def test_frames_are_normalised_as_a_loop_would(tmp_path):
    one = classifier()
    frames = np.random.default_rng(0).integers(0, 256, (2, 24, 40, 3), np.uint8)
    batch = one.normalise(frames).numpy()
    for n, y, x, c in [(0, 0, 0, 0), (1, 23, 39, 2), (0, 5, 31, 1)]:
        expected = (frames[n, y, x, c] / 255 - one.preprocessing.mean[c]) / one.preprocessing.std[c]
        assert batch[n, c, y, x] == pytest.approx(expected, abs=1e-5)
    for wrong in (frames[:, :, :, :2], frames.astype(np.float32), frames.transpose(0, 2, 1, 3)):
        with pytest.raises(ValueError, match="uint8"):
            one.normalise(np.ascontiguousarray(wrong))
