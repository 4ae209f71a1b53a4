"""An answer is read as it was meant, or refused with a reason: never guessed, never out of range."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xai_core.language.schema import block, clean, json_schema, parse

GOOD = (
    "<judgement><description>a lesion</description><justification>it fits</justification><score>4</score></judgement>"
)
JUNK = st.text(st.characters(), max_size=60)
PIECES = st.sampled_from(
    ["<judgement>", "</judgement>", "<description>", "</description>", "<justification>", "</justification>", "<score>",
     "</score>", "{", "}", '"score"', ":", '"description"', '"justification"', ",", "[", "]", '"', "\\", "\ud800",
     "null", "true", "NaN", "1e999", "3", "-1", "6", "5.0", "٣", "none", "out of 5", "/5", "```json", "\n"]
)  # fmt: skip


@pytest.mark.parametrize(
    "raw",
    [
        GOOD,
        f"<think>score 2? <judgement>no</judgement></think>\n{GOOD}\n",
        f"{GOOD.replace('4', '1')}\n{GOOD}",
        GOOD.replace(">4<", "> 4 / 5\n<"),
        GOOD.replace(">4<", ">Score: 4.0<"),
        GOOD.replace(">4<", ">4 out of 5.<"),
        '{"description": "a lesion", "justification": "it fits", "score": 4}',
        'Here:\n```json\n{"description": "a lesion", "justification": "it fits", "score": "4"}\n```\nbye {x}',
        '{"score": 1, "description": "", "justification": ""}{"score": 4.0, "justification": "it fits",'
        ' "description": "a lesion"}',
    ],
)
def test_what_is_read(raw):
    assert parse(raw) == ("a lesion", "it fits", 4)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "nothing"),
        ("I like it: 5", "I like it: 5"),
        (GOOD.replace(">4<", ">6<"), "less than or equal to 5"),
        (GOOD.replace(">4<", ">-1<"), "greater than or equal to 0"),
        (GOOD.replace(">4<", ">3 or 4<"), "3 or 4"),
        (GOOD.replace(">4<", ">45<"), "45"),
        (GOOD.replace(">4<", ">4.5<"), "4.5"),
        (GOOD.replace(">4<", ">10/5<"), "10"),
        (GOOD.replace("<score>4</score>", ""), "0 times <score>"),
        (GOOD.replace("<score>", "<score>2</score><score>"), "2 times <score>"),
        (GOOD[:-20], "<judgement>"),
        ('{"description": "a", "justification": "b", "score": true}', "True"),
        ('{"description": "a", "justification": "b", "score": null}', "score"),
        ('{"description": ["a"], "justification": "b", "score": 3}', "description"),
        ('{"justification": "b", "score": 3}', "description"),
        ("{" * 10_000 + '"score"', "{{{"),
        ('{"score":' + "[" * 100_000, "score"),
        ("x" * 2_000_000, "2000000 characters"),
    ],
)
def test_what_is_refused_and_why(raw, reason):
    with pytest.raises(ValueError) as caught:
        parse(raw)
    assert reason in str(caught.value) and "\n" not in str(caught.value)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES | JUNK, max_size=40).map("".join))
def test_nothing_but_a_value_error_and_nothing_out_of_range(raw):
    try:
        description, justification, score = parse(raw)
    except ValueError as error:
        str(error).encode()
        return
    assert score is None or (type(score) is int and 0 <= score <= 5)
    (description + justification).encode()


@settings(max_examples=200, deadline=None)
@given(JUNK, JUNK, st.integers(0, 5) | st.none(), JUNK)
def test_a_block_comes_back_whatever_stands_in_it_and_before_it(description, justification, score, before):
    found = parse(before + block(description, justification, score))
    expected = [clean(text.replace("<", "‹").replace(">", "›").strip()) for text in (description, justification)]
    assert found == (*expected, score)


@settings(max_examples=200, deadline=None)
@given(JUNK, JUNK, st.integers(-3, 9))
def test_json_is_read_exactly_where_the_schema_allows_it(description, justification, score):
    import jsonschema

    answer = {"description": description, "justification": justification, "score": score}
    allowed = jsonschema.Draft202012Validator(json_schema()).is_valid(answer)
    raw = json.dumps(answer)
    if allowed:
        assert parse(raw)[2] == score
    else:
        with pytest.raises(ValueError):
            parse(raw)
