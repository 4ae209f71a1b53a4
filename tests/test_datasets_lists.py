"""Lists: what spreadsheets do to a CSV file is read, or refused in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xai_core.datasets.format import unique_ids
from xai_core.datasets.lists import read_rows, read_table, typed
from xai_core.errors import BadInput

PLAIN = "image,label,note\na.png,benign,früh\nb.png,malignant,\n"
EXPECTED = [
    {"image": "a.png", "label": "benign", "note": "früh"},
    {"image": "b.png", "label": "malignant", "note": ""},
]


def table_of(tmp_path, data: bytes) -> list[dict]:
    (tmp_path / "t.csv").write_bytes(data)
    return [row for _, row in read_table(tmp_path / "t.csv", ["image", "label"])]


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.encode(),
        b"\xef\xbb\xbf" + PLAIN.encode(),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace(",", "\t").encode(),
        PLAIN.replace(",", " , ").encode(),
        PLAIN.replace("image", "Image").replace("label", "LABEL").encode(),
        ("\n\n" + PLAIN.replace("\n", "\n\n") + " , , \n").encode(),
        PLAIN.replace("benign", '"benign"').rstrip("\n").encode(),
        (",image,label,note\n0,a.png,benign,früh\n1,b.png,malignant,\n").encode(),
    ],
    ids=["plain", "BOM", "CRLF", "CR", "semicolons", "tabs", "spaces", "case", "blank lines", "quotes", "row numbers"],
)
def test_the_same_table_whatever_wrote_it(tmp_path, data):
    assert table_of(tmp_path, data) == EXPECTED


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (PLAIN.encode("utf-16"), "UTF-16"),
        (PLAIN.encode("latin-1"), "line 2: expected UTF-8"),
        (b"image,label\n\0,b\n", "NUL"),
        (b"image,note\na,b\n", "no label"),
        (b"image,label,image\na,b,c\n", "image more than once"),
        (b"image,label\na.png\n", "line 2: expected 2 cells as in the header; found 1"),
        (b"image,label\na.png,b,c\n", "found 3"),
        (b'image,label\n"a.png,b\n', "comma-separated"),
        (b'image,label\n"a"b,c\n', "comma-separated"),
        (b"image,label\n" + b"a" * 200_000 + b",b\n", "field larger"),
    ],
)
def test_what_cannot_be_read_says_so_in_one_line(tmp_path, data, part):
    with pytest.raises(BadInput) as caught:
        table_of(tmp_path, data)
    assert part in str(caught.value)
    assert "t.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_file_and_a_folder(tmp_path):
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(BadInput, match="expected a CSV file"):
            read_rows(path)


@given(st.binary(max_size=200))
def test_any_bytes_give_rows_or_bad_input(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(data)
    try:
        rows = read_rows(path)
    except BadInput:
        return
    assert rows
    assert all(any(row) for _, row in rows)


def test_each_column_has_one_type():
    rows = [
        {"age": "50", "area": "0.5", "ruler": "true", "sex": "female", "code": "007", "mixed": "1", "none": ""},
        {"age": "", "area": "1e-3", "ruler": "False", "sex": "unknown", "code": "12", "mixed": "x", "none": "NaN"},
    ]
    assert typed(rows) == [
        {"age": 50, "area": 0.5, "ruler": True, "sex": "female", "code": "007", "mixed": "1", "none": None},
        {"age": None, "area": 0.001, "ruler": False, "sex": None, "code": "12", "mixed": "x", "none": None},
    ]
    assert typed([]) == []
    assert typed([{"long": "9" * 18, "infinite": "inf"}]) == [{"long": "9" * 18, "infinite": "inf"}]


def test_ids_are_stems_and_never_paths():
    assert unique_ids(["a/1.png", "b/2.png"]) == ["1", "2"]
    assert unique_ids(["a/1.png", "a/1.png"]) == ["1", "1"]
    clash = unique_ids(["a/1.png", "b/1.png", "2.png"])
    assert len(set(clash)) == 3
    assert clash[2] == "2"
    assert not any("/" in name for name in clash)
    assert clash[:2] == unique_ids(["b/1.png", "a/1.png"])[::-1]
