"""Files of weights, friendly and hostile: tensors come back or one line says why not; nothing in a file ever runs."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from xai_core.errors import BadInput
from xai_core.models import build, load_weights, save_weights
from xai_core.models.architectures import architecture, as_built, import_timm
from xai_core.models.weights import fit_weights


def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {"body.weight": torch.randn(4, 3, 3, 3), "body.bias": torch.randn(4), "counter": torch.tensor(7)}


def same(a: dict, b: dict) -> None:
    assert sorted(a) == sorted(b)
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=0, atol=0)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3},
        lambda s: {"model": {"state_dict": s}},
        lambda s: {f"module.{k}": v for k, v in s.items()},
        lambda s: {"model_state_dict": {f"module._orig_mod.{k}": v for k, v in s.items()}},
        lambda s: {"state_dict": {"other": torch.zeros(1)}, "state_dict_ema": s},
    ],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_common_nestings_are_unwrapped(tmp_path, wrap, legacy):
    torch.save(wrap(state()), tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
    same(load_weights(tmp_path / "a.pth"), state())


def test_safetensors_come_back_and_tied_weights_too(tmp_path):
    tied = state()
    tied["again"] = tied["body.bias"]
    tied["flipped"] = tied["body.weight"].to(memory_format=torch.channels_last)
    same(load_weights(save_weights(tied, tmp_path / "a.safetensors")), tied)


class Hostile:
    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_something_is_refused_and_does_not(tmp_path):
    hostile = Hostile()
    hostile.path = tmp_path / "broken_in"
    for nested in (hostile, {"state_dict": {"body.weight": hostile}}):
        torch.save(nested, tmp_path / "a.pth")
        with pytest.raises(BadInput, match="mkdir") as caught:
            load_weights(tmp_path / "a.pth")
        assert "weights_only=False" not in str(caught.value)
    (tmp_path / "b.pt").write_bytes(pickle.dumps(hostile))
    with pytest.raises(BadInput) as caught:
        load_weights(tmp_path / "b.pt")
    assert "weights_only=False" not in str(caught.value)
    assert not hostile.path.exists()


def test_a_whole_network_in_a_pickle_is_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "a.pth")
    with pytest.raises(BadInput, match="pickled code is never run"):
        load_weights(tmp_path / "a.pth")


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_truncated_files_are_refused_at_every_length(tmp_path, name):
    path = tmp_path / name
    torch.save(state(), path) if name.endswith("pth") else save_weights(state(), path)
    whole = path.read_bytes()
    for length in [0, 1, 7, *np.linspace(8, len(whole) - 1, 25).astype(int)]:
        path.write_bytes(whole[:length])
        with pytest.raises(BadInput):
            load_weights(path)


def test_every_flipped_byte_gives_tensors_or_bad_input(tmp_path):
    rng = np.random.default_rng(5)
    for name in ("a.pth", "a.safetensors"):
        path = tmp_path / name
        torch.save(state(), path) if name.endswith("pth") else save_weights(state(), path)
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for place in rng.integers(0, len(whole), 60):
            damaged = whole.copy()
            damaged[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged.tobytes())
            try:
                load_weights(path)
            except BadInput:
                continue


def test_an_archive_that_inflates_is_refused(tmp_path):
    torch.save({"weight": torch.zeros(2_000_000)}, tmp_path / "a.pth")
    with (
        zipfile.ZipFile(tmp_path / "a.pth") as archive,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in archive.namelist():
            bomb.writestr(name, archive.read(name))
    assert (tmp_path / "bomb.pth").stat().st_size < 50_000
    with pytest.raises(BadInput, match="more than its size"):
        load_weights(tmp_path / "bomb.pth")


def test_a_tensor_larger_than_its_data_is_refused(tmp_path):
    torch.save({"huge": torch.zeros(1).expand(2**40)}, tmp_path / "a.pth")
    with pytest.raises(BadInput, match="larger than their data: huge"):
        load_weights(tmp_path / "a.pth")
    torch.save({"sparse": torch.eye(3).to_sparse()}, tmp_path / "a.pth")
    with pytest.raises(BadInput):
        load_weights(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "value", [[torch.zeros(2)], {}, {"a": 3, "b": torch.zeros(2)}, torch.zeros(3), {"state_dict": {}}]
)
def test_what_is_no_state_is_refused(tmp_path, value):
    torch.save(value, tmp_path / "a.pth")
    with pytest.raises(BadInput):
        load_weights(tmp_path / "a.pth")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"1")
    for path, said in (
        (tmp_path / "a.onnx", "ends in .onnx"),
        (tmp_path / "none.pth", "no such file"),
        (tmp_path, "no"),
    ):
        with pytest.raises(BadInput, match=said):
            load_weights(path)
    save_weights({"w": torch.tensor([1.0, float("nan")])}, tmp_path / "nan.safetensors")
    with pytest.raises(BadInput, match="not finite in w"):
        load_weights(tmp_path / "nan.safetensors")


def linear() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))


def test_wrong_weights_are_named():
    good = linear().state_dict()
    wrong = {k: v for k, v in good.items() if k != "0.bias"} | {"0.weight": torch.zeros(5, 3), "extra": torch.zeros(1)}
    with pytest.raises(BadInput) as caught:
        fit_weights(linear(), wrong, "a.pth")
    assert "missing: 0.bias; of another shape: 0.weight (5, 3) for (4, 3); left over: extra" in str(caught.value)


def test_a_head_of_another_width_stays_fresh_only_where_it_may():
    state = linear().state_dict()
    state |= {"2.weight": torch.zeros(9, 4), "2.bias": torch.zeros(9)}
    network = linear()
    head = network[2].weight.clone()
    assert fit_weights(network, state, "a.pth", head="2") == ("2.bias", "2.weight")
    assert torch.equal(network[2].weight, head)
    assert torch.equal(network[0].weight, state["0.weight"])
    with pytest.raises(BadInput, match="2.weight"):
        fit_weights(linear(), state, "a.pth")


def test_a_shared_first_part_and_absent_counters_do_no_harm():
    source, target = linear(), linear()
    state = {f"model.{k}": v.half() for k, v in source.state_dict().items() if "num_batches" not in k}
    assert fit_weights(target, state, "a.pth") == ()
    assert torch.equal(target[0].weight, source[0].weight.half().float())
    assert target[0].weight.dtype == torch.float32


@pytest.mark.parametrize(("name", "size"), [("vgg11", 224), ("resnet50", 64)])
def test_torchvisions_files_fit_timms_networks(name, size):
    import_timm()
    import torchvision

    torch.manual_seed(0)
    with torch.device("meta"):  # neither network needs its own start
        theirs = getattr(torchvision.models, name)(weights=None).eval()
        network = build(architecture("timm", name, 1000)).eval()
    state = {k: _number(k, v) for k, v in theirs.state_dict().items()}
    theirs.load_state_dict(state, assign=True)
    network.to_empty(device="cpu")
    fit_weights(network, as_built(state, network), name)
    image = torch.randn(1, 3, size, size)
    with torch.inference_mode():
        torch.testing.assert_close(network(image), theirs(image), rtol=1e-3, atol=1e-4)


def _number(name: str, tensor: torch.Tensor) -> torch.Tensor:
    if tensor.ndim == 0:
        return torch.tensor(0)
    spread = torch.randn(tensor.shape) / max(tensor[0].numel(), 1) ** 0.5
    return spread.abs() + 0.5 if name.endswith("running_var") else spread


UNCOMPILED = """
import sys
from xai_core.models.architectures import import_timm
network = import_timm().create_model("test_resnet", num_classes=2)
assert "torch._dynamo" not in sys.modules
import torch
rate = torch.optim.SGD(network.parameters(), 0.1)
network(torch.zeros(2, 3, 32, 32)).sum().backward()
rate.step()
import torch._dynamo
assert torch._dynamo.utils.is_compile_supported and torch._dynamo.disable(len)([1]) == 1
"""


def test_a_network_is_made_without_torchs_compiler_which_is_there_for_whoever_asks():
    subprocess.run([sys.executable, "-W", "error", "-c", UNCOMPILED], check=True)
