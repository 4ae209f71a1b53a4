"""``i2x show`` and why the network looks there in a sample: on tracks and on made evidence, figure by figure."""

import json
from dataclasses import replace

import numpy as np
import pytest
from i2x_fixtures import random_track
from i2x_made import GROUND, made

from xai_core.cli import i2x_show, main
from xai_core.errors import BadInput
from xai_core.i2x.options import Options
from xai_core.i2x.structure import pair_of, structure, structure_of
from xai_core.i2x.why import LEADING, MOST, NEAREST, why, why_of

QUICK = Options(permutations=99, resamples=20, repeats=1)
FLAGS = ["--permutations", "19", "--resamples", "20", "--repeats", "1"]


@pytest.fixture(scope="module")
def known():
    evidence = made(0)
    return evidence, structure_of(evidence, QUICK)


def test_its_evidence_is_shared_out_among_its_prototypes(known):
    evidence, found = known
    one = why_of(evidence, found, "s00006")
    row = int(np.flatnonzero(evidence.ids == "s00006")[0])
    for place, checkpoint in enumerate(one["checkpoints"]):
        held = [float(evidence.intensity[place, row, k] * evidence.share[row, k]) for k in range(10)]
        expected = sorted(((value / sum(held), k) for k, value in enumerate(held) if value), reverse=True)[:MOST]
        assert [each["prototype"] for each in checkpoint["prototypes"]] == [k for _, k in expected]
        assert [each["evidence"] for each in checkpoint["prototypes"]] == pytest.approx([v for v, _ in expected])
        assert checkpoint["confidence"] == pytest.approx(evidence.probabilities[place, row, evidence.labels[row]])
        assert checkpoint["mean_intensity"] == pytest.approx(sum(held), rel=1e-5)


def test_what_moved_it_is_effect_times_rise(known):
    evidence, found = known
    one = why_of(evidence, found, "s00006")
    row = int(np.flatnonzero(evidence.ids == "s00006")[0])
    label = int(evidence.labels[row])
    for place, (told, step) in enumerate(zip(one["steps"], found["steps"], strict=True)):
        y = evidence.probabilities[:, row, label]
        assert told["moved"] == pytest.approx(float(y[place + 1]) - float(y[place]), abs=1e-6)
        assert told["skipped"] == step["skipped"]
        if step["skipped"]:
            assert "accounted" not in told
            continue
        rise = evidence.intensity[place + 1, row].astype(float) - evidence.intensity[place, row]
        moved = [step["units"]["raw"]["effect"][k][label] * rise[k] for k in range(10)]
        assert told["accounted"]["raw"] == pytest.approx(sum(moved))
        for each in told["prototypes"]:
            assert each["raw"] == pytest.approx(moved[each["prototype"]])


def decisive(found: dict, k: int, label: int) -> int | None:
    """Return the position of the step in which prototype k pulled most at a class, of the sure ones in both units."""
    sure = {}
    for place, step in enumerate(found["steps"]):
        units = list(step.get("units", {}).values())
        if units and all(u["low"][k][label] > 0 and u["pull"][k][label] >= QUICK.tau for u in units):
            sure[place] = min(u["pull"][k][label] for u in units)
    return max(sure, key=sure.get) if sure else None


@pytest.mark.parametrize("samples", [400, 60])
def test_witnesses_carry_the_prototype_lie_near_and_rose_most(samples):
    evidence = made(0, samples=samples)
    found = structure_of(evidence, QUICK)
    held = evidence.intensity[-1].astype(float) * evidence.share
    held /= held.sum(1, keepdims=True)
    witnessed = set()
    for row in range(0, samples, samples // 20):
        label = int(evidence.labels[row])
        one = why_of(evidence, found, evidence.ids[row])
        leading = [k for k in np.argsort(-held[row])[:LEADING] if held[row, k]]
        assert [lesson["prototype"] for lesson in one["lessons"]] == leading
        for lesson in one["lessons"]:
            k = lesson["prototype"]
            place = decisive(found, k, label)
            assert lesson["from"] == (None if place is None else found["steps"][place]["from"])
            if place is None:
                assert not lesson["witnesses"]
                continue
            alike = (evidence.labels == label) & (evidence.share[:, k] >= QUICK.presence)
            others = [n for n in np.flatnonzero(alike) if n != row]
            near = sorted(others, key=lambda n, row=row: np.linalg.norm(held[n] - held[row]))[:NEAREST]
            rose = {str(evidence.ids[n]): evidence.confidence_change(place)[n, label] for n in near}
            best = [name for name in sorted(rose, key=lambda name: -rose[name])[:MOST] if rose[name] > 0]
            assert [witness["sample"] for witness in lesson["witnesses"]] == best
            assert [witness["moved"] for witness in lesson["witnesses"]] == pytest.approx([rose[n] for n in best])
            witnessed.add(k)
    assert witnessed and GROUND not in witnessed


def test_who_did_not_rise_is_no_witness(known):
    evidence, found = known
    falling = replace(evidence, probabilities=evidence.probabilities[::-1])
    lessons = why_of(falling, found, "s00006")["lessons"]
    told = [len(lesson["witnesses"]) for lesson in lessons if lesson["from"] is not None]
    assert told and min(told) < MOST
    assert all(witness["moved"] > 0 for lesson in lessons for witness in lesson["witnesses"])


def test_only_training_samples_are_witnesses():
    evidence = made(0)
    evidence.splits[::2] = "test"
    found = structure_of(evidence, QUICK)
    one = why_of(evidence, found, "s00006")
    position = {name: place for place, name in enumerate(evidence.ids)}
    named = [witness["sample"] for lesson in one["lessons"] for witness in lesson["witnesses"]]
    assert named and all(evidence.splits[position[name]] == "train" for name in named)


def test_a_sample_without_label_speaks_of_what_it_is_called(known):
    evidence, found = known
    evidence = evidence.of_rows(np.arange(len(evidence.ids)))
    evidence.labels[6] = -1
    one = why_of(evidence, found, "s00006")
    assert one["label"] is None and one["speaks_of"] == one["called"]
    assert "label -, called ring" in i2x_show.sample_text(one)


def test_a_sample_or_structure_of_another_track_is_refused(tmp_path):
    track = random_track(tmp_path / "track", samples=60)
    found = structure(track, Options(permutations=19, resamples=20, repeats=1))
    with pytest.raises(BadInput, match="a sample of the track"):
        why(track, found, "nobody")
    with pytest.raises(BadInput, match="its own structure"):
        why(track, found | {"track": "another"}, "s0001")


def test_the_page_names_what_was_planted(known, tmp_path):
    _, found = known
    text = i2x_show.as_text(tmp_path, found, pair_of(found))
    assert "between bar and hook" in text and "uncertain" in text
    (row,) = [line for line in text.splitlines() if line.split()[:1] == ["6"]]
    assert row.split()[-1] == "uncertain"
    assert "no notable change" in text and "fewer groups than prototypes" in text
    for entry in found["classes"]:
        assert entry["sentence"] in text


def test_the_command_prints_a_page_a_sample_and_json(tmp_path, capsys):
    track = random_track(tmp_path / "track", samples=60)
    folder = str(track.folder)
    assert main(["i2x", "show", folder, *FLAGS]) == 0
    page = capsys.readouterr()
    assert "60 samples, 6 prototypes, 4 checkpoints" in page.out and "between" in page.out
    assert main(["i2x", "show", folder, *FLAGS, "--sample", "s0003"]) == 0
    assert "s0003: label" in capsys.readouterr().out
    assert main(["i2x", "show", folder, *FLAGS, "--pair", "square,circle", "--sample", "s0003", "--json"]) == 0
    given = json.loads(capsys.readouterr().out)
    assert set(given) == {"structure", "pair", "sample"} and given["sample"]["sample"] == "s0003"
    assert set(given["pair"]["classes"]) == {"square", "circle"}
    assert given["structure"]["options"]["permutations"] == 19
    assert main(["i2x", "show", folder, *FLAGS, "--pair", "square,moon"]) == 2
    assert "two of the classes" in capsys.readouterr().err
    assert main(["i2x", "show", folder, *FLAGS, "--tau", "7"]) == 2
    assert "tau: expected 0.0 to 1.0" in capsys.readouterr().err
