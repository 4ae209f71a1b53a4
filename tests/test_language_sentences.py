"""Sentences: a planted association is found with its statistic, shuffled descriptions give none, figures are exact."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest

from xai_core.language import fourfold, sentences
from xai_core.language.facts import facts_of
from xai_core.language.groups import Group

PLACES = ("left", "right", "upper", "lower", "middle")
LOOKS = ("smooth", "rough", "pale", "dark", "reddish", "speckled")
N = 240


def made(seed: int, *, planted: bool, n: int = N) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return records and judgements; where planted, a patch in the description goes with being called benign."""
    generator = np.random.default_rng(seed)
    ids = [f"s{seed}-{number:04d}" for number in range(n)]
    patch = generator.random(n) < 0.4
    benign = generator.random(n) < (np.where(patch, 0.82, 0.25) if planted else 0.45)
    label = generator.choice(["benign", "malignant"], n)
    called = np.where(benign, "benign", "malignant")
    table = pd.DataFrame(
        {
            "sample_id": ids,
            "outcome": np.where(called == label, "right", "wrong"),
            "label": label,
            "called": called,
            "meta_sex": generator.choice(["female", "male"], n),
            "meta_age": generator.integers(20, 90, n).astype(float),
            "meta_site": generator.choice(["back", "chest", "face", "arm"], n),
        }
    ).astype({"label": "category", "called": "category", "outcome": "category", "meta_site": "category"})
    texts = [
        f"It is {generator.choice(LOOKS)} and {generator.choice(LOOKS)}, to the {generator.choice(PLACES)}."
        + (" Much of it lies on a coloured patch." if has else " It keeps to the skin.")
        for has in patch
    ]
    return table, pd.DataFrame({"sample_id": ids, "score": 3, "description": texts})


def shuffled(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    table, said = made(seed, planted=True)
    texts = np.random.default_rng([seed, 9]).permutation(said["description"].to_numpy(object))
    return table, said.assign(description=texts)


def is_planted(sentence: sentences.Sentence) -> bool:
    return sentence.kind == "called" and "benign" in sentence.fact and "patch" in sentence.subject


def found_with_its_statistic(seed: int) -> bool:
    """Find the planted sentence; its counts, p and odds ratio have to be those of pandas and SciPy."""
    from scipy.stats import fisher_exact

    table, said = made(seed, planted=True)
    found = sentences.find(table, said, class_names=("benign", "malignant"))
    mine = [sentence for sentence in found.sentences if is_planted(sentence)]
    if not mine:
        return False
    [sentence] = mine
    held_out = [int.from_bytes(hashlib.sha256(f"0:{i}".encode()).digest()[:8], "big") % 2 == 1 for i in said.sample_id]
    has = said["description"].str.contains("patch")[held_out]
    benign = (table["called"] == "benign")[held_out]
    counts = np.array([[(part & benign).sum(), (part & ~benign).sum()] for part in (has, ~has)])
    assert [sentence.count, sentence.of - sentence.count] == counts[0].tolist()
    assert [sentence.count_without, sentence.of_without - sentence.count_without] == counts[1].tolist()
    assert sentence.ids == tuple(sorted(said["sample_id"][held_out][has & benign]))
    assert sentence.p == pytest.approx(fisher_exact(counts).pvalue, rel=1e-6)
    assert sentence.odds == pytest.approx(counts[0, 0] * counts[1, 1] / (counts[0, 1] * counts[1, 0]))
    assert sentence.low < sentence.odds < sentence.high and sentence.as_strong <= 1
    return True


def test_a_planted_association_is_found_with_its_statistic():
    assert sum(found_with_its_statistic(seed) for seed in range(3)) == 3


def test_shuffled_descriptions_give_no_sentence():
    assert [sentences.find(*shuffled(seed), class_names=("benign", "malignant")).sentences for seed in range(3)] == [
        ()
    ] * 3


@pytest.mark.long
def test_nine_of_ten_seeds_and_at_most_one_false_sentence_in_twenty():
    assert sum(found_with_its_statistic(seed) for seed in range(100, 110)) >= 9
    false = [sentences.find(*shuffled(seed), class_names=("benign", "malignant")) for seed in range(200, 220)]
    assert sum(len(found.sentences) for found in false) <= 1
    assert min(found.tested for found in false) > 0


def test_beside_the_planted_sentence_there_is_none():
    others = [
        sentence
        for seed in range(4)
        for sentence in sentences.find(*made(seed, planted=True), class_names=("benign", "malignant")).sentences
        if not is_planted(sentence) and sentence.kind != "called"
    ]
    assert len(others) <= 1, [sentence.text for sentence in others]


def test_without_the_shuffled_data_sets_and_the_held_out_half_there_would_be_false_ones(monkeypatch):
    """The guard guards: tested where it was found and against nothing, noise gives sentences."""
    monkeypatch.setattr(sentences, "AS_STRONG", 2.0)
    counts = sentences.Search._counts
    monkeypatch.setattr(sentences.Search, "_counts", lambda self, rows, *a: counts(self, np.ones_like(rows), *a))
    naive = [sentences.find(*shuffled(seed), shuffles=99).sentences for seed in range(200, 206)]
    assert sum(map(len, naive)) >= 2


def test_a_class_name_is_no_subject_and_the_sentence_reads_as_it_should():
    table, said = made(1, planted=True)
    told = "The classifier said " + table["called"].astype(str) + ". " + said["description"]
    group = Group("coloured patch · lies", (), tuple(said["sample_id"][said["description"].str.contains("patch")]), ())
    rest = Group("skin", (), tuple(said["sample_id"][~said["description"].str.contains("patch")]), ())
    found = sentences.find(table, said.assign(description=told), [group, rest], class_names=("benign", "malignant"))
    assert found.sentences
    assert not [each for each in found.sentences if not each.is_group and "benign" in each.subject]
    [sentence] = [each for each in found.sentences if each.subject == group.name]
    text = f"A description like “coloured patch · lies” goes with being called benign: {sentence.count} of "
    assert sentence.text.startswith(text)
    assert sentence.text.endswith("held-out p < 0.001.")


def test_too_little_to_say_gives_nothing():
    table, said = made(1, planted=True)
    empty = sentences.find(table, said.assign(description=""))
    assert (empty.sentences, empty.tested, empty.held_out) == ((), 0, 0)
    assert sentences.find(table.iloc[:6], said).sentences == ()
    assert sentences.find(table[["sample_id"]], said).sentences == ()


def test_facts_say_what_they_are_and_know_what_is_unknown():
    table = pd.DataFrame(
        {
            "sample_id": list("abcdef"),
            "outcome": ["right", "wrong", "unknown", "right", "wrong", "right"],
            "called": ["x", "y", "z", "x", "y", "z"],
            "judged": ["correct_high", "wrong_low", "undecided", "correct_low", "wrong_low", "correct_high"],
            "meta_age": [30.0, 40.0, np.nan, 50.0, 60.0, 70.0],
            "meta_years": [31.0, 41.0, np.nan, 51.0, 61.0, 71.0],
            "meta_sex": ["f", "m", None, "m", "f", "m"],
        }
    )
    facts = {fact.holds: fact for fact in facts_of(table)}
    assert facts["being called wrong"].fails == "being called right"
    assert facts["being called wrong"].known.tolist() == [True, True, False, True, True, True]
    assert facts["being called x"].fails == ""
    assert facts["age above 50"].mask.tolist() == [False, False, False, False, True, True]
    assert facts["sex m"].fails == "sex f" and not facts["sex m"].known[2]
    assert not [name for name in facts if "years" in name], "says the same as age"
    assert not facts["“Right, judged low”"].known[2]


@pytest.mark.parametrize("seed", range(4))
def test_fishers_test_and_the_discovery_control_are_those_of_scipy(seed):
    from scipy.stats import false_discovery_control, fisher_exact
    from scipy.stats.contingency import odds_ratio

    generator = np.random.default_rng(seed)
    tables = generator.integers(0, 40, (30, 2, 2))
    tables[0] = [[0, 7], [9, 30]]
    both, first = tables[:, 0, 0], tables[:, 0].sum(axis=1)
    second, total = tables[:, :, 0].sum(axis=1), tables.sum(axis=(1, 2))
    p = fourfold.fisher(both, first, second, total)
    np.testing.assert_allclose(p, [fisher_exact(each).pvalue for each in tables], rtol=1e-6)
    np.testing.assert_allclose(fourfold.benjamini_hochberg(p), false_discovery_control(p), rtol=1e-12)
    for place in range(1, 6):
        row = both[place], first[place], second[place], total[place]
        if tables[place].all():
            value, _, high = fourfold.odds_ratio(*row)
            assert value == pytest.approx(odds_ratio(tables[place], kind="sample").statistic)
            assert high / value == pytest.approx(np.exp(1.959964 * np.sqrt((1 / tables[place]).sum())))
    assert fourfold.fisher(*[np.empty(0, int)] * 4).shape == (0,)
