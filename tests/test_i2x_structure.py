"""The structure of a track: order, seeds, identities, edges, and the file it is kept in."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from i2x_fixtures import random_track
from i2x_made import CLASSES, made

from xai_core.errors import BadInput
from xai_core.files import is_sealed
from xai_core.i2x import changes, effects
from xai_core.i2x import structure as structures
from xai_core.i2x.analysis import steps_of
from xai_core.i2x.options import READINGS, Options
from xai_core.i2x.structure import carriers, structure, structure_of, uncertain_prototypes

QUICK = Options(permutations=19, resamples=20, repeats=1)


def test_the_order_of_samples_does_not_matter_and_the_seed_does():
    evidence = made(0, samples=200)
    found = structure_of(evidence, replace(QUICK, cluster_limit=150))
    shuffled = evidence.of_rows(np.random.default_rng(1).permutation(200))
    assert structure_of(shuffled, replace(QUICK, cluster_limit=150)) == found
    assert structure_of(evidence, replace(QUICK, cluster_limit=150, seed=1))["steps"] != found["steps"]


@pytest.mark.parametrize("reading", READINGS)
def test_rows_of_every_matrix_sum_to_zero(reading):
    found = structure_of(made(1, samples=200), replace(QUICK, reading=reading))
    analysed = [step for step in found["steps"] if not step["skipped"]]
    assert analysed
    for step in analysed:
        assert step["under_determined"] == (step["groups"]["count"] < found["prototypes"])
        for unit in step["units"].values():
            for name in ("effect", "pull"):
                assert np.abs(np.sum(unit[name], axis=1)).max() < 1e-6
            pull = np.array(unit["effect"]) * np.array(unit["usual"])[:, None]
            assert pull == pytest.approx(np.array(unit["pull"]))
            assert (np.array(unit["low"]) <= np.array(unit["high"])).all()
            assert not np.any(unit["pull"][-1])  # the last prototype is carried by nobody


def test_every_step_is_fitted_and_permuted_on_its_own_changes():
    evidence = made(0, samples=200)
    carried = changes.carries(evidence.share, QUICK.presence)
    for place, step in enumerate(steps_of(evidence, QUICK)):
        assert (step.first, step.last) == evidence.steps[place : place + 2]
        for unit, fit in step.fits.items():
            x = evidence.intensities[unit][place + 1].astype(float) - evidence.intensities[unit][place]
            y = evidence.confidence[place + 1] - evidence.confidence[place]
            usual = effects.usual_change(x, carried)
            assert fit.effect == pytest.approx(effects.effects(x, y, step.groups, usual, QUICK))
            null = effects.permuted(x, y, step.groups, usual, QUICK, place)
            assert (step.null[unit] == null).all()


def test_growth_of_all_intensities_alone_changes_nothing_that_is_normalised():
    evidence = made(2, samples=200)
    factors = np.array([1, 3, 2, 9, 4, 50, 20], np.float32)[:, None, None]
    found = structure_of(replace(evidence, intensity=evidence.intensity * factors), QUICK)
    for one, other in zip(structure_of(evidence, QUICK)["steps"], found["steps"], strict=True):
        if not one["skipped"]:
            pulls = [np.array(step["units"]["normalised"]["pull"]) for step in (one, other)]
            assert pulls[1] == pytest.approx(pulls[0], abs=1e-4)


def test_two_classes_mirror_each_other():
    found = structure_of(made(0, classes=2), QUICK)
    for step in found["steps"]:
        for unit in step.get("units", {}).values():
            pull = np.array(unit["pull"])
            assert pull[:, 0] == pytest.approx(-pull[:, 1], abs=1e-9)
    assert [pair["classes"] for pair in found["pairs"]] == [list(CLASSES[:2])]
    assert [entry["class"] for entry in found["classes"]] == list(CLASSES[:2])


def test_two_checkpoints_are_one_step_and_nothing_alternates():
    evidence = made(0)
    short = replace(evidence, steps=(0, 10), intensity=evidence.intensity[:2], probabilities=evidence.probabilities[:2])
    found = structure_of(short, QUICK)
    assert [step["skipped"] for step in found["steps"]] == [""]
    assert not any(pair["prototypes"] for pair in found["pairs"])
    assert any(entry["shared"] for entry in found["classes"])
    with pytest.raises(BadInput, match="two checkpoints"):
        replace(evidence, steps=(0,), intensity=evidence.intensity[:1], probabilities=evidence.probabilities[:1])


def test_where_nothing_changes_nothing_is_claimed():
    evidence = made(0, samples=100)
    still = replace(evidence, probabilities=np.repeat(evidence.probabilities[-1:], len(evidence.steps), axis=0))
    found = structure_of(still, QUICK)
    assert {step["skipped"] for step in found["steps"]} == {"no notable change"}
    for entry in found["classes"]:
        assert not entry["shared"] + entry["specialised"] + entry["supporting"] + entry["key"]
        assert "no step of the training can be analysed" in entry["sentence"]
    assert not any(pair["prototypes"] for pair in found["pairs"])
    json.dumps(found, allow_nan=False)


def test_a_step_without_groups_says_so():
    evidence = made(0, samples=60)
    moved = evidence.probabilities.copy()
    moved[1:] = moved[0] + np.array([0.2, -0.2, 0.1, -0.1], np.float32)  # all samples change alike
    found = structure_of(replace(evidence, probabilities=moved), QUICK)
    assert found["steps"][0]["skipped"] == "no groups of alike confidence changes"
    assert found["steps"][0]["groups"]["noise"] == 1.0


def test_an_absent_class_has_no_sample_and_no_pair():
    evidence = made(0)
    found = structure_of(evidence.of_rows(np.flatnonzero(evidence.labels != 3)), QUICK)
    assert found["classes"][3]["samples"] == 0 and found["classes"][3]["sentence"] == "star: no sample."
    assert all("star" not in pair["classes"] for pair in found["pairs"])
    assert all(row["confidence"]["star"] is None for row in found["checkpoints"])
    json.dumps(found, allow_nan=False)


def test_evidence_that_does_not_fit_is_refused():
    evidence = made(0, samples=30)
    with pytest.raises(BadInput, match="arrays of one track"):
        replace(evidence, labels=evidence.labels[1:])
    with pytest.raises(BadInput, match="ids that are all different"):
        replace(evidence, ids=np.full(30, "same"))
    with pytest.raises(BadInput, match="finite"):
        replace(evidence, intensity=evidence.intensity * np.nan)


def test_it_is_kept_beside_the_track_and_read_back_for_the_same_options(tmp_path, monkeypatch):
    track = random_track(tmp_path / "track", samples=60)
    found = structure(track, QUICK)
    assert is_sealed(found) and found["track"] == track.digest
    assert json.loads((tmp_path / "track" / "structure.json").read_text()) == found
    told = []
    other = structure(track, replace(QUICK, tau=0.02), progress=lambda done, total: told.append((done, total)))
    assert other["options"]["tau"] == 0.02 and told[0] == (0, 3) and told[-1] == (3, 3)
    monkeypatch.setattr(structures, "structure_of", lambda *a, **k: pytest.fail("made again"))
    assert structure(track, replace(QUICK, tau=0.02)) == other


def test_a_kept_file_that_was_changed_is_made_again(tmp_path):
    track = random_track(tmp_path / "track", samples=60)
    found = structure(track, QUICK)
    path = tmp_path / "track" / "structure.json"
    path.write_text(json.dumps(found | {"samples": 7}))
    assert structure(track, QUICK) == found
    assert json.loads(path.read_text()) == found


def test_the_structure_of_another_track_is_made_anew(tmp_path):
    one, other = (random_track(tmp_path / str(seed), samples=60, seed=seed) for seed in (0, 1))
    structure(one, QUICK)
    shutil.copy(tmp_path / "0" / "structure.json", tmp_path / "1")
    assert structure(other, QUICK)["track"] == other.digest != one.digest


def test_carriers_are_those_with_enough_places(tmp_path):
    track = random_track(tmp_path / "track")
    places = track.places()
    found = carriers(track, [1, 4], presence=0.2)
    for row in range(len(places)):
        assert found[row] == any((places[row] == k).mean() >= 0.2 - 1e-7 for k in (1, 4))


def test_a_pair_that_was_not_looked_at_is_refused():
    found = structure_of(made(0, samples=100), replace(QUICK, pairs=1))
    assert uncertain_prototypes(found) == uncertain_prototypes(found, found["pairs"][0]["classes"][::-1])
    with pytest.raises(BadInput, match="a pair of classes that was looked at"):
        uncertain_prototypes(found, ("ring", "ring"))
