"""The policy file: what it takes, and that each mistake is named by its key."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from xai_core.errors import BadInput
from xai_core.release import policy

COMMENTED = re.compile(r"^# (\[|\w+ = )")
SHIPPED = Path(__file__).resolve().parent.parent / "sample_data" / "policy.toml"
METRIC = '[[metric]]\nmetric = "auc"\nfloor = 0.8\n'
LEAST = f'name = "x"\n{METRIC}[[explanation]]\nscore = "iou"\nfloor = 0.0\n'


def read(tmp_path, text: str) -> policy.Policy:
    file = tmp_path / "policy.toml"
    file.write_text(text, encoding="utf-8")
    return policy.read(file)


def test_the_shipped_policy_is_read_and_names_every_key():
    found, text = policy.read(SHIPPED), SHIPPED.read_text(encoding="utf-8")
    assert found.sha256 == hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    assert found.needs_baseline and found.randomisation_check == "required"
    tables = (policy.Policy, policy.MetricRule, policy.ExplanationRule, policy.RelianceRule, policy.PeopleRule)
    for table in tables:
        assert {key for key in table.model_fields if key not in text} <= {"sha256"}


def test_every_line_that_is_commented_out_can_be_taken_in(tmp_path):
    lines = SHIPPED.read_text(encoding="utf-8").splitlines(keepends=True)
    found = read(tmp_path, "".join(COMMENTED.sub(r"\1", line) for line in lines))
    assert found.people.least_share == 0.8 and found.people.decides == "point"
    assert found.explanation[-1].least_share == 0.5 and found.reliance.not_worse_than_baseline_by == 0.1


def test_what_is_left_out_is_as_the_shipped_file_says(tmp_path):
    found = read(tmp_path, LEAST)
    assert (found.veto, found.randomisation_check, found.largest_share_undefined) == ("given", "required", 0.05)
    assert found.least_items == 60 and not found.needs_baseline
    assert found.metric[0].decides == found.explanation[0].decides == "bound"
    assert found.explanation[0].excess_over == "random" and found.explanation[0].each_class is False
    assert found.reliance is None and found.least_items_of_class == 30
    assert found.explanation[0].strata == ["easy", "borderline", "failure"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (LEAST.replace('name = "x"', 'name = ""'), "name"),
        (LEAST.replace("floor = 0.8", "flor = 0.8"), "metric.1.flor"),
        (LEAST.replace('"auc"', '"auk"'), "metric.1.metric"),
        (LEAST.replace("floor = 0.8", 'floor = "high"'), "metric.1.floor"),
        (LEAST.replace("floor = 0.8", "floor = true"), "metric.1.floor"),
        (LEAST.replace("floor = 0.8", "floor = nan"), "metric.1.floor"),
        (LEAST.replace("floor = 0.8", "floor = 80"), "metric.1.floor"),
        (LEAST.replace("floor = 0.8", ""), "metric.1"),
        (LEAST.replace('"auc"', '"brier"'), "metric.1"),
        (LEAST.replace("floor = 0.8", "ceiling = 0.8"), "metric.1"),
        (LEAST.replace("floor = 0.8", "not_worse_than_baseline_by = -0.1"), "metric.1.not_worse_than_baseline_by"),
        (LEAST.replace('"iou"', '"dice"'), "explanation.1.score"),
        (LEAST + "least_share = 0.5\n", "explanation.1"),
        (LEAST + 'strata = ["hard"]\n', "explanation.1.strata.1"),
        (LEAST + "strata = []\n", "explanation.1.strata"),
        (LEAST + 'excess_over = "nothing"\n', "explanation.1.excess_over"),
        (f'name = "x"\n{METRIC}', "the policy"),
        (LEAST.replace('name = "x"', ""), "name"),
        ('veto = "maybe"\n' + LEAST, "veto"),
        ('sha256 = "0"\n' + LEAST, "sha256"),
        ("least_items = 60.5\n" + LEAST, "least_items"),
        (LEAST + "[people]\n", "people.least_share"),
        (LEAST + "each_class = 1\n", "explanation.1.each_class"),
        (LEAST + "[reliance]\n", "reliance"),
        (LEAST + "[reliance]\nfloor = 1.5\n", "reliance.floor"),
        (LEAST + '[reliance]\nfloor = 0.0\nfill = "blur"\n', "reliance.fill"),
    ],
)
def test_a_mistake_is_named_by_its_key(tmp_path, text, key):
    with pytest.raises(BadInput) as error:
        read(tmp_path, text)
    assert error.value.where == f"{tmp_path / 'policy.toml'}, {key}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LEAST.replace('name = "x"', ""), "found nothing: add it"),
        (LEAST.replace(METRIC, ""), r"found nothing: add one or more \[\[metric\]\] rules"),
        (LEAST.replace("[[metric]]", "[metric]"), r"write \[\[metric\]\], with two brackets"),
    ],
)
def test_what_is_lacking_is_said_as_a_file_spells_it(tmp_path, text, said):
    with pytest.raises(BadInput, match=said):
        read(tmp_path, text)


def test_a_file_that_is_no_toml_and_one_that_is_absent(tmp_path):
    with pytest.raises(BadInput, match="a policy in TOML.*line 1"):
        read(tmp_path, "name = x")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(BadInput, match="a policy in TOML"):
        policy.read(tmp_path / "latin.toml")
    with pytest.raises(BadInput, match="No such file"):
        policy.read(tmp_path / "none.toml")
