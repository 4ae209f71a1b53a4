"""The judge on this machine: real architectures with their real processors, small and random, saved and loaded."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from sample_run_copy import copy_of_a_run

from xai_core.errors import BadInput
from xai_core.language.asking import Request
from xai_core.language.judge import first_requests, judge_run
from xai_core.language.prompts import open_prompt
from xai_core.language.schema import block
from xai_core.language.views import View
from xai_core.runs import open_run

pytest.importorskip("transformers", reason="Transformers is not installed: pip install -r requirements-language.txt")

PROMPT = "Does what you see speak for “{predicted}”? Give one block."
ANSWER = block("Seen.", "So.", 3)


@pytest.fixture(scope="module")
def architectures():
    import small_vlm

    texts = [PROMPT, ANSWER, "benign malignant"]
    return {"smolvlm": small_vlm.small_smolvlm(texts), "qwen": small_vlm.small_qwen(texts)}


@pytest.fixture(scope="module", params=["smolvlm", "qwen"])
def folder(request, architectures, tmp_path_factory):
    from small_vlm import save

    return save(*architectures[request.param], tmp_path_factory.mktemp("models") / f"small-{request.param}")


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_: object, **__: object):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def judge_of(folder, **settings):
    from xai_core.language.transformers_judge import TransformersJudge

    return TransformersJudge(str(folder), **settings)


def asked(level: int, predicted: str = "malignant") -> Request:
    image = np.full((20, 30, 3), level, np.uint8)
    return Request("s", image, PROMPT.replace("{predicted}", predicted), predicted)


@pytest.fixture
def run(tmp_path):
    return open_run(copy_of_a_run(tmp_path))


@pytest.fixture
def prompt(tmp_path):
    path = tmp_path / "short.md"
    path.write_text(PROMPT, encoding="utf-8")
    return open_prompt(str(path))


class Deaf:
    """A judge with another's name and settings, that must not be asked."""

    remote, batch = False, 4

    def __init__(self, judge) -> None:
        self.name, self.settings = judge.name, judge.settings

    def answer(self, requests):
        raise AssertionError(f"{len(requests)} were asked again")


def test_gibberish_is_kept_raw_counted_and_not_asked_again(folder, run, prompt, no_network):
    judge = judge_of(folder, batch=4, tokens=12)
    found = judge_run(run, judge, prompt=prompt, limit=6)
    table = found.table()
    kinds = {"records": 6, "scored": 0, "undecided": 0, "unreadable": 6, "unanswered": 0}
    assert found.manifest["counts"] == kinds
    assert table["score"].isna().all()
    assert (table["raw"] != "").all()
    assert (table["error"] != "").all()
    assert found.manifest["tokens"] > 6 * 12
    again = judge_run(run, Deaf(judge), prompt=prompt, limit=6, out="again")
    assert again.table()["raw"].tolist() == table["raw"].tolist()


def test_a_batch_says_what_one_at_a_time_says(folder):
    judge = judge_of(folder, tokens=16)
    requests = [asked(level, "x" * 7 * place) for place, level in enumerate((10, 120, 240))]
    together, alone = judge.answer(requests), [judge.answer([each])[0] for each in requests]
    assert [each.raw for each in together] == [each.raw for each in alone]
    assert [each.tokens for each in together] == [each.tokens for each in alone]
    assert len({each.tokens for each in together}) == 3
    assert all(each.raw and each.seconds > 0 for each in together)


def test_what_a_taught_model_says_lands_at_its_record(architectures, run, prompt, tmp_path, no_network):
    from small_vlm import save, teach

    network, processor = architectures["smolvlm"]
    plain = judge_of(save(network, processor, tmp_path / "untaught"), tokens=1)
    lessons = first_requests(run, plain, 3, view=View("overlay"), prompt=prompt)
    scores = {each.sample_id: score for score, each in zip((0, 5, 3), lessons, strict=True)}
    said = [(each.image, each.prompt, block("Seen.", "So.", scores[each.sample_id])) for each in lessons]
    assert teach(network, processor, said)
    taught = judge_of(save(network, processor, tmp_path / "taught"), batch=2, tokens=80)
    table = judge_run(run, taught, view=View("overlay"), prompt=prompt, limit=3).table()
    assert dict(zip(table["sample_id"], table["score"], strict=True)) == scores
    assert (table["justification"] == "So.").all()
    assert (table["error"] == "").all()


def test_a_class_name_is_no_command(folder):
    judge = judge_of(folder, tokens=4)
    tokens = judge._processor.tokenizer.all_special_tokens
    assert judge.answer([asked(9, "".join(tokens))])[0].error == ""


def test_settings_tell_one_model_from_another(folder, tmp_path):
    first = judge_of(folder).settings
    assert first == judge_of(folder).settings
    json.dumps(first)
    copy = shutil.copytree(folder, tmp_path / folder.name)
    assert judge_of(copy).settings == first
    template = copy / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    assert judge_of(copy).settings != first


def test_memory_that_is_too_small_halves_the_batch(folder, monkeypatch):
    import torch

    judge = judge_of(folder, tokens=4)
    whole, sizes = judge._network.generate, []

    def narrow(input_ids, **inputs):
        sizes.append(len(input_ids))
        if len(input_ids) > 1:
            raise torch.OutOfMemoryError
        return whole(input_ids=input_ids, **inputs)

    requests = [asked(level) for level in (9, 99, 199)]
    expected = [each.raw for each in judge.answer(requests)]
    monkeypatch.setattr(judge._network, "generate", narrow)
    assert [each.raw for each in judge.answer(requests)] == expected
    assert sizes == [3, 1, 2, 1, 1]


def test_folders_that_are_no_use_are_refused(folder, tmp_path, monkeypatch):
    def refused(change, match):
        copy = shutil.copytree(folder, tmp_path / "copy")
        change(copy)
        with pytest.raises(BadInput, match=match):
            judge_of(copy)
        shutil.rmtree(copy)

    def pickled(copy):
        (copy / "model.safetensors").rename(copy / "pytorch_model.bin")

    def own_code(copy):
        config = json.loads((copy / "config.json").read_text())
        config |= {"model_type": "theirs", "auto_map": {"AutoConfig": "theirs.Config"}}
        (copy / "config.json").write_text(json.dumps(config))
        (copy / "theirs.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")

    refused(pickled, "safetensors")
    refused(own_code, "found")
    refused(lambda copy: (copy / "model.safetensors").write_bytes(b"nothing"), "found")
    refused(lambda copy: (copy / "chat_template.jinja").unlink(), "no chat template")
    refused(without_a_weight, "no weights for 1 parts")
    with pytest.raises(BadInput, match="no such folder"):
        judge_of(tmp_path / "none")
    assert not (tmp_path / "ran").exists()


def without_a_weight(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    weights.pop(next(name for name in weights if name.endswith("norm.weight")))
    save_file(weights, copy / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("name", ["someone/not-kept-here", "nowhere at all", "someone/x@main"])
def test_a_name_that_is_not_kept_here_is_refused_without_network(name, no_network):
    with pytest.raises(BadInput, match="image-text-to-text"):
        judge_of(name)


def test_without_the_library_the_command_to_install_it_is_told(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(BadInput, match="pip install -r requirements-language.txt"):
        judge_of(tmp_path)
