"""Sentences say what is claimed with its figures, and nothing that is not."""

from copy import deepcopy

import pytest
from i2x_made import made

from xai_core.i2x.options import Options
from xai_core.i2x.sentences import of_class
from xai_core.i2x.structure import structure_of


@pytest.fixture(scope="module")
def found():
    return structure_of(made(0), Options(permutations=99, resamples=20, repeats=1))


def test_the_figures_are_those_of_the_structure(found):
    entry = found["classes"][0]
    sentence = of_class(found, "ring")
    assert sentence == entry["sentence"] and sentence.startswith(f"ring ({entry['samples']} samples): ")
    for role in entry["shared"] + entry["specialised"] + entry["supporting"]:
        raw = role["units"]["raw"]
        figures = f"{raw['support']:+.2f} [{raw['low']:+.2f}, {raw['high']:+.2f}]"
        assert f"{role['prototype']} (in {role['coverage']:.0%}, {figures})" in sentence
    for row in entry["separation"]:
        assert (f"{row['class']} ({-row['loss']:+.2f})" in sentence) == (row["from"] is not None)


def test_what_is_not_claimed_is_not_said(found):
    bare = deepcopy(found)
    entry = bare["classes"][0]
    entry |= {"shared": [], "specialised": [], "supporting": [], "separation": [], "key": []}
    entry["in_one_unit"] = [{"prototype": 9, "role": "shared", "unit": "raw"}]
    for pair in bare["pairs"]:
        pair["prototypes"] = []
    assert of_class(bare, "ring").endswith(
        ": No prototype that all of it carries supports it consistently (9 under one unit of intensity only)."
    )


def test_outside_the_most_confused_pair_all_pairs_count(found):
    told = deepcopy(found)
    first, second = told["pairs"][:2]
    row = first["prototypes"][0]
    for pair in told["pairs"][2:]:
        pair["prototypes"] = []
    first["prototypes"] = [row | {"p": 0.04, "p_of_pairs": 0.2}]
    second["prototypes"] = [row | {"p": 0.04, "p_of_pairs": 0.2}]
    named = [name for name in told["class_names"] if "Uncertain" in of_class(told, name)]
    assert named == first["classes"]
    second["prototypes"][0]["p_of_pairs"] = 0.03
    assert all("Uncertain" in of_class(told, name) for name in second["classes"])


def test_the_uncertain_one_is_named_with_its_changes_and_p(found):
    row = found["pairs"][0]["prototypes"][0]
    for name in found["pairs"][0]["classes"]:
        times = "once" if row["units"]["raw"]["changes"] == 1 else f"{row['units']['raw']['changes']} times"
        assert f"{row['prototype']} (changed sides {times}, p {row['p']:.3f})" in of_class(found, name)
