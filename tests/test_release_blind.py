"""The blind review: letters and order of each reviewer's own, verdicts where the gate finds them, and agreement."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from gate_fixtures import OFF, items_of, planted
from sklearn.metrics import cohen_kappa_score

from xai_core.release import blind
from xai_core.review.verdicts import VERDICTS, Verdicts

RIGHT, WRONG, UNSURE = VERDICTS


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("blind")


@pytest.fixture(scope="module")
def items(home):
    return items_of(home)


@pytest.fixture(scope="module")
def runs(home):
    return [planted(home / "a", seed=1), planted(home / "b", OFF, seed=1), planted(home / "c", seed=2)]


def key(run) -> str:
    return run.manifest["content_digest"]


def said(tasks) -> list[tuple[str, str]]:
    return [(task.letter, task.sample_id) for task in tasks]


def test_every_item_stands_once_under_every_candidate(items, runs):
    tasks = blind.queue(items, runs, "Ann")
    assert Counter((key(task.run), task.sample_id) for task in tasks) == Counter(
        (key(run), sample_id) for run in runs for sample_id in items.ids
    )
    assert {(task.letter, key(task.run)) for task in tasks} == {
        (letter, run) for letter, run in {task.letter: key(task.run) for task in tasks}.items()
    }
    assert {task.letter for task in tasks} == {"A", "B", "C"}


def test_order_and_letters_are_the_reviewers_own_and_stay(items, runs):
    ann = blind.queue(items, runs, "Ann")
    assert said(blind.queue(items, runs[::-1], "Ann")) == said(ann)
    names = [f"reviewer {k}" for k in range(60)]
    letters = Counter(next(t.letter for t in blind.queue(items, runs, name) if t.run is runs[0]) for name in names)
    assert set(letters) == {"A", "B", "C"} and max(letters.values()) < 40
    orders = {tuple(t.sample_id for t in blind.queue(items, runs, name)) for name in names}
    assert len(orders) == len(names)
    # neither by candidate nor by item
    assert len({task.letter for task in ann[:20]}) > 1 and len({task.sample_id for task in ann[:20]}) > 10


def test_verdicts_are_found_by_run_and_person(tmp_path, items, runs):
    verdicts = Verdicts(tmp_path / "verdicts.sqlite")
    assert blind.unreviewed(items, runs, verdicts) == 3 * len(items.ids)
    task = blind.queue(items, runs, "Ann")[0]
    verdicts.give(key(task.run), task.sample_id, WRONG, "Ann")
    verdicts.give(key(task.run), task.sample_id, RIGHT, "Bob")
    verdicts.note(key(task.run), items.ids[-1], "only a note", "Bob")
    assert blind.said(verdicts, task.run) == {task.sample_id: {"Ann": WRONG, "Bob": RIGHT}}
    assert blind.unreviewed(items, runs, verdicts) == 3 * len(items.ids) - 1


def test_undo_takes_back_the_newest_of_the_reviewer_under_any_candidate(tmp_path, items, runs):
    verdicts = Verdicts(tmp_path / "verdicts.sqlite")
    tasks = blind.queue(items, runs, "Ann")
    places = [next(k for k, task in enumerate(tasks) if task.run is run) for run in runs]
    for place in places:
        verdicts.give(key(tasks[place].run), tasks[place].sample_id, RIGHT, "Ann")
    verdicts.give(key(tasks[places[0]].run), tasks[places[0]].sample_id, WRONG, "Bob")
    assert [blind.undo(verdicts, tasks, "Ann") for _ in range(4)] == [*places[::-1], None]
    assert blind.said(verdicts, runs[0]) == {tasks[places[0]].sample_id: {"Bob": WRONG}}


def test_kappa_by_hand():
    """20 and 15 the same, 5 and 10 not: 0.7 observed, 0.5 by chance (Cohen's formula)."""
    pairs = [(RIGHT, RIGHT)] * 20 + [(RIGHT, WRONG)] * 5 + [(WRONG, RIGHT)] * 10 + [(WRONG, WRONG)] * 15
    found = blind.cohens_kappa(pairs)
    assert found.value == pytest.approx(0.4) and found.n == 50
    assert found.low < 0.4 < found.high


def test_kappa_is_that_of_scikit_learn_and_its_interval_a_slow_bootstrap():
    rng = np.random.default_rng(4)
    first = rng.choice(list(VERDICTS), 60)
    second = np.where(rng.random(60) < 0.7, first, rng.choice(list(VERDICTS), 60))
    found = blind.cohens_kappa(list(zip(first.tolist(), second.tolist(), strict=True)))
    assert found.value == pytest.approx(cohen_kappa_score(first, second))
    drawn = rng.integers(0, 60, (1000, 60))
    slow = [cohen_kappa_score(first[rows], second[rows]) for rows in drawn[:400]]
    assert (found.low, found.high) == pytest.approx(np.percentile(slow, [2.5, 97.5]), abs=0.05)


def test_kappa_where_there_is_none():
    found = blind.cohens_kappa([(RIGHT, RIGHT)] * 9)
    assert found.value is None and found.n == 9 and "chance" in found.reason
    assert blind.cohens_kappa([(RIGHT, RIGHT), (WRONG, WRONG)]).value == 1


def test_agreement_is_of_the_same_item_under_the_same_candidate(tmp_path, items, runs):
    verdicts = Verdicts(tmp_path / "verdicts.sqlite")
    for k, sample_id in enumerate(items.ids):
        verdicts.give(key(runs[0]), sample_id, RIGHT, "Ann")
        verdicts.give(key(runs[k % 2]), sample_id, RIGHT if k % 3 else WRONG, "Bob")
    verdicts.give(key(runs[0]), "id000x", RIGHT, "Ann")
    verdicts.give(key(runs[0]), "id000x", RIGHT, "Bob")
    (found,) = blind.agreements(items, runs, verdicts)
    both = [k for k in range(len(items.ids)) if k % 2 == 0]
    assert (found.first, found.second, found.cases) == ("Ann", "Bob", len(both))
    assert found.share == pytest.approx(np.mean([k % 3 != 0 for k in both]))
    assert found.kappa.value == pytest.approx(0)
