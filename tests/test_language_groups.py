"""Groups of descriptions: planted topics are found, named by their own words, and the same in any order."""

from __future__ import annotations

import random

import pytest

from xai_core.language.groups import ALIKE, group
from xai_core.language.terms import share_words, terms_of, vocabulary

TOPICS = {
    "patch": ["patch", "blue", "round", "sticker", "coloured", "turquoise", "disc", "vivid"],
    "hair": ["hairs", "long", "crossing", "strands", "thin", "dense", "fringe", "covering"],
    "lesion": ["lesion", "brown", "network", "irregular", "border", "pigment", "globules", "streaks"],
}
COMMON = ["light", "even", "picture", "blurred", "compact", "large", "small", "left", "right", "upper", "lower", "pale"]


def planted(seed: int, sizes: dict[str, int]) -> tuple[list[str], list[str], dict[str, str]]:
    """Return ids, descriptions and the topic of each id."""
    generator = random.Random(seed)
    ids, texts, topics = [], [], {}
    for topic, size in sizes.items():
        for number in range(size):
            sample_id = f"{topic}{number:03d}"
            words = generator.sample(TOPICS[topic], 5) + generator.sample(COMMON, 3)
            texts.append(". ".join(generator.sample(words, 8)))
            ids.append(sample_id)
            topics[sample_id] = topic
    return ids, texts, topics


@pytest.mark.parametrize("seed", range(3))
def test_planted_topics_are_the_groups_and_their_words_the_names(seed):
    sizes = {"patch": 40, "hair": 25, "lesion": 17}
    ids, texts, topics = planted(seed, sizes)
    found = group(ids, texts)
    assert [each.size for each in found] == sorted(sizes.values(), reverse=True)
    for each, topic in zip(found, sizes, strict=True):
        assert {topics[sample_id] for sample_id in each.ids} == {topic}
        assert set(each.examples) <= set(each.ids)
        assert each.terms and set(each.terms) <= set(TOPICS[topic])


def test_the_groups_are_the_same_in_whatever_order():
    ids, texts, _ = planted(7, {"patch": 21, "hair": 30, "lesion": 12})
    order = random.Random(1).sample(range(len(ids)), len(ids))
    assert group([ids[k] for k in order], [texts[k] for k in order]) == group(ids, texts)


def test_records_without_description_are_in_no_group_and_equal_ones_in_one():
    ids = [f"r{number}" for number in range(14)]
    found = group([*ids, "silent"], ["The lesion is brown."] * 14 + [""])
    assert [(each.name, each.ids) for each in found] == [(ALIKE, tuple(sorted(ids)))]
    assert group(["a", "b"], ["", ""]) == []
    assert group(["a"], ["One alone."])[0].size == 1


def test_terms_keep_joining_words_inside_and_stop_at_numbers_and_stops():
    assert terms_of("It lies outside the lesion, 40 % on a patch of blue.") == [
        "outside",
        "lesion",
        "outside the lesion",
        "patch",
        "blue",
        "patch of blue",
    ]
    assert terms_of("A purple ruler is seen, and visible.") == ["purple", "ruler", "purple ruler"]
    assert terms_of("There appears no hair.") == ["no", "hair", "no hair"]
    assert terms_of("") == []
    assert share_words("outside the lesion", "lesion") and not share_words("on the left", "over the right")
    terms, has = vocabulary(["no hair", "no lesion", "hair"], rare=0.0)
    assert terms == ["hair", "no"]
    assert has.toarray().tolist() == [[1, 1], [0, 1], [1, 0]]
