"""Comparison: intervals against scipy on real runs, planted movers, and what may not be compared."""

from __future__ import annotations

import json

import numpy as np
import pytest
from review_fixtures import CLASSES, SQUASH, record, write_run

from xai_core.cli import main
from xai_core.errors import BadInput
from xai_core.release import review_set
from xai_core.release.compare import compare
from xai_core.release.movers import movers
from xai_core.release.paired import metric_differences, names_of, side_by_side
from xai_core.runs import open_run, rows
from xai_core.runs.tables import table_of
from xai_core.scores import metrics

SAMPLE = "sample_data/runs/grad_cam/predicted"


def answer(k: int, chance: float, heatmap: np.ndarray | None = None, region: np.ndarray | None = None, **more) -> dict:
    """Return a record that gets this probability of malignant, and perhaps a heatmap and an outline of our own."""
    called = int(chance >= 0.5)
    row = record(k, (90, 150), SQUASH)
    row |= {
        "image_hash": f"hash{k}",
        "probabilities": [1 - chance, chance],
        "predicted": CLASSES[called],
        "predicted_index": called,
        "confidence": max(chance, 1 - chance),
    }
    if heatmap is not None:
        row |= rows.encode_heatmap(heatmap)
    if region is not None:
        row |= {"region": rows.encode_region(region), "region_area": float(region.mean())}
    return row | more


def made(folder, records, **settings):
    return write_run(folder, folder.parent / "data", records, **settings)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """Return two runs whose answers differ by noise, over 120 samples in different orders."""
    folder = tmp_path_factory.mktemp("noisy")
    rng = np.random.default_rng(1)
    first = np.clip(np.arange(120) % 2 * 0.3 + rng.uniform(0, 0.7, 120), 0.01, 0.99)
    second = np.clip(first + rng.normal(0, 0.2, 120), 0.01, 0.99)
    one = made(folder / "one", [answer(k, p) for k, p in enumerate(first)])
    maps = rng.normal(size=(120, 6, 8)).astype(np.float32)
    backwards = [answer(k, second[k], maps[k]) for k in range(120)][::-1]
    return one, made(folder / "two", backwards, classifier="models/y", classifier_digest="c2"), first, second


def test_values_are_those_of_the_runs(noisy):
    one, two, first, second = noisy
    found = compare([one, two])
    labels = np.arange(120) % 2
    for entry, p in zip(found["runs"], (first, second), strict=True):
        p = p.astype(np.float32).astype(float)
        expected = metrics.evaluate(labels, np.stack([1 - p, p], 1), positive=1)
        assert {n: e["value"] for n, e in entry["metrics"].items()} == pytest.approx(
            {n: e["value"] for n, e in expected.items()}, abs=1e-6
        )
        wrong = (p >= 0.5) != labels
        assert {c: e["wrong"] for c, e in entry["by_class"].items()} == {
            c: int(wrong[labels == k].sum()) for k, c in enumerate(CLASSES)
        }
    for name, entry in found["against"][0]["metrics"].items():
        values = [each["metrics"][name]["value"] for each in found["runs"]]
        assert entry["difference"] == pytest.approx(values[1] - values[0], abs=1e-12)
    json.dumps(found, allow_nan=False)


def test_metric_intervals_are_scipys(noisy):
    """Stratified by class, both classifiers on the same draws: scipy draws places of positives and of negatives."""
    from scipy.stats import bootstrap

    one, two, first, second = noisy
    labels = np.arange(120) % 2
    places = (np.flatnonzero(labels == 1), np.flatnonzero(labels == 0))

    def auc(positives, negatives):
        above = [(p[positives][:, None] > p[negatives]).mean() for p in (first, second)]
        return above[1] - above[0]

    def accuracy(positives, negatives):
        drawn = np.concatenate([positives, negatives])
        return ((second[drawn] >= 0.5) == labels[drawn]).mean() - ((first[drawn] >= 0.5) == labels[drawn]).mean()

    found = metric_differences(*side_by_side([one, two]), resamples=4000)
    for name, statistic, resamples in (("auc", auc, 2000), ("accuracy", accuracy, 2000)):
        theirs = bootstrap(places, statistic, n_resamples=resamples, vectorized=False, method="percentile", rng=0)
        low, high = theirs.confidence_interval
        # ends of a percentile interval of some thousand draws wander by a twentieth of its width or so
        near = 0.12 * (high - low)
        assert found[name]["low"] == pytest.approx(low, abs=near) and found[name]["high"] == pytest.approx(
            high, abs=near
        )


def test_paired_scores_are_scipys():
    """Grad-CAM for the call against Grad-CAM for malignant, real records: the mean difference of excess coverage."""
    from scipy.stats import bootstrap

    from xai_core.release.paired import difference

    tables = [table_of(open_run(f"sample_data/runs/grad_cam/{target}")) for target in ("predicted", "malignant")]
    first, second = (
        (t["explanation_coverage"] - t["chance_random_explanation_coverage"]).to_numpy(float) for t in tables
    )
    found = difference(first, second)
    known = ~(np.isnan(first) | np.isnan(second))
    assert found["left_out"] == (~known).sum() and found["n"] == known.sum()

    def mean_difference(a, b, axis=-1):
        return (b - a).mean(axis=axis)

    theirs = bootstrap(
        (first[known], second[known]), mean_difference, paired=True, n_resamples=9999, method="percentile", rng=0
    )
    low, high = theirs.confidence_interval
    assert found["difference"] == pytest.approx((second - first)[known].mean(), abs=1e-12)
    assert [found["low"], found["high"]] == pytest.approx([low, high], abs=0.1 * (high - low))


def test_a_run_against_itself_differs_by_nothing():
    run = open_run(SAMPLE)
    found = compare([run, run], ["then", "now"])
    (entry,) = found["against"]
    for part in ("metrics", "alignment", "confidence"):
        for name, value in entry[part].items():
            assert (value["difference"], value["low"], value["high"]) == (0, 0, 0), name
            assert not value["excludes_zero"]
    assert all(entry["movers"][name] == [] for name in ("kept_off", "kept_on", "lost", "won"))
    table = table_of(run)
    right = table["correct"].to_numpy(bool)
    defined = table["explanation_coverage"].notna().to_numpy()
    assert entry["movers"]["stayed"] == (right & defined).sum()
    assert sum(entry["movers"]["undefined"].values()) == (right & ~defined).sum()


@pytest.fixture
def planted(tmp_path):
    """Six samples, outlined on the left half; the map of each lies left, right, or nowhere, before and after."""
    region = np.zeros(SQUASH.size, bool)
    region[:, :32] = True
    left, right, none = np.zeros((3, 6, 8), np.float32)
    left[2:4, 1:3], right[2:4, 5:7] = 1, 1
    plan = {  # sample: class, p before, p now, map before, map now
        0: (0, 0.1, 0.2, left, right),
        1: (1, 0.9, 0.8, right, left),
        2: (0, 0.1, 0.9, left, left),
        3: (1, 0.2, 0.7, left, right),
        4: (0, 0.3, 0.3, right, right),
        5: (1, 0.8, 0.8, left, none),
    }
    runs = []
    for name, p, m in (("before", 1, 3), ("now", 2, 4)):
        records = [answer(k, row[p], row[m], region) for k, row in plan.items()]
        runs.append(made(tmp_path / name, records, classifier=name, classifier_digest=name, region_rule="half"))
    return runs


def test_planted_movers(planted):
    found = movers(*side_by_side(planted))
    ids = {name: [entry["id"] for entry in found[name]] for name in ("kept_off", "kept_on", "lost", "won")}
    assert ids == {"kept_off": ["id000"], "kept_on": ["id001"], "lost": ["id002"], "won": ["id003"]}
    assert found["stayed"] == 1 and found["undefined"] == {"empty_explanation": 1}
    (off,) = found["kept_off"]
    assert off["before"] > 0.3 and off["now"] < -0.3 and off["change"] == pytest.approx(off["now"] - off["before"])
    assert found["lost"][0]["change"] == 0
    trend = compare(planted)["against"][0]["by_class"]
    assert [(trend[c]["lost"], trend[c]["won"]) for c in CLASSES] == [(1, 0), (0, 1)]
    # at a higher threshold nothing counts as moved
    assert movers(*side_by_side(planted), moved=1.5)["stayed"] == 3


def test_only_shared_samples_count(noisy, tmp_path):
    one, _, first, _ = noisy
    records = [answer(k, p) for k, p in enumerate(first) if k >= 10]
    records[0] |= {"image_hash": "another picture of the same name"}
    other = made(tmp_path / "fewer", records, classifier="fewer")
    found = compare([one, other])
    assert found["samples"] == 109
    assert [entry["left_out"] for entry in found["runs"]] == [11, 1]
    assert any("11 records are left out" in remark for remark in found["remarks"])


def test_what_answers_another_question_is_refused(noisy, tmp_path):
    one, _, first, _ = noisy
    records = [answer(k, p) for k, p in enumerate(first)]
    refused = {
        "explained class": {"target": "predicted"},
        "positive class": {"positive": None, "threshold": None},
        "classes": {"class_names": ["benign", "malignant", "other"]},
    }
    for what, settings in refused.items():
        other = made(tmp_path / what.replace(" ", "_"), records, classifier="x2", **settings)
        with pytest.raises(BadInput, match=what):
            compare([one, other])
    swapped = [row | {"label": CLASSES[k % 2 - 1], "label_index": (k + 1) % 2} for k, row in enumerate(records)]
    with pytest.raises(BadInput, match="label"):
        compare([one, made(tmp_path / "labels", swapped, classifier="x3")])
    strange = [row | {"sample_id": f"x{k}"} for k, row in enumerate(records)]
    with pytest.raises(BadInput, match="share"):
        compare([one, made(tmp_path / "strange", strange, classifier="x4")])
    with pytest.raises(BadInput, match="two or more"):
        compare([one])


def test_what_stands_between_the_runs_is_said():
    found = compare([open_run(f"sample_data/runs/{method}/predicted") for method in ("grad_cam", "lime")])
    remarks = " ".join(found["remarks"])
    assert "another explainer" in remarks and "the same classifier" in remarks and "top_segments" in remarks
    assert found["against"][0]["metrics"]["auc"]["difference"] == 0


def test_rounding_is_no_difference(noisy, tmp_path):
    one, _, first, _ = noisy
    shifted = made(tmp_path / "shifted", [answer(k, p - 2e-7) for k, p in enumerate(first)], classifier="z")
    for name, entry in compare([one, shifted])["against"][0]["metrics"].items():
        assert not entry["excludes_zero"], name


def test_names_tell_runs_apart(noisy):
    one, two, *_ = noisy
    assert names_of([one, two]) == ["x", "y"]
    cam, lime, other = (open_run(f"sample_data/runs/{name}") for name in ("grad_cam/predicted", "lime/predicted",
                                                                           "lime/malignant"))  # fmt: skip
    assert names_of([cam, lime]) == ["demo, grad_cam", "demo, lime"]
    assert names_of([cam, lime, other]) == ["grad_cam/predicted", "lime/predicted", "lime/malignant"]
    assert len(set(names_of([cam, cam]))) == 2


def test_command_with_a_review_set(tmp_path, capsys):
    file = review_set.choose([open_run(SAMPLE)]).save(tmp_path / "set.json")
    lime = SAMPLE.replace("grad_cam", "lime")
    assert main(["compare", SAMPLE, lime, "--names", "a,b", "--review-set", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    chosen = review_set.read(file)
    strata = found["review_set"]["strata"]
    assert sum(entry["a"]["items"] for entry in strata.values()) == len(chosen.items)
    assert strata["failure"]["a"]["right"] == 0 < strata["easy"]["a"]["right"] == strata["easy"]["a"]["items"]
    assert found["review_set"]["problems"] == {"a": [], "b": []}
    assert main(["compare", SAMPLE, lime]) == 0
    text = capsys.readouterr().out
    assert "explanation_coverage" in text and "right before, wrong now: 0" in text
    assert main(["compare", SAMPLE, lime, "--names", "a"]) == 2
    assert main(["compare", SAMPLE]) == 2
