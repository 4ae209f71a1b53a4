"""Rows and columns of the CSV files that name samples, with a clear error for whatever a spreadsheet does to them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from xai_core.errors import BadInput

_DELIMITERS = ",;\t"
_ABSENT = {"", "na", "n/a", "nan", "null", "unknown"}
_INTEGER = re.compile(r"[+-]?(0|[1-9]\d{0,14})")
_NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")


def read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows of a CSV file that are not blank, each with its line number, cells stripped.

    UTF-8 with or without a byte-order mark, any line ending, separated by comma, semicolon or tab (whichever the
    first line has most of).

    Raises
    ------
    BadInput
        Where the file is absent, empty, not UTF-8 text, or not CSV.
    """
    text = _read_text(path)
    first = text.lstrip().partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise BadInput(
            where=f"{path}, line {reader.line_num}",
            expected="comma-separated values",
            found=str(error),
            remedy="quote cells that hold quotes or line breaks",
        ) from None
    rows = [(number, row) for number, row in rows if any(row)]
    if not rows:
        raise BadInput(where=path, expected="rows of values", found="an empty file", remedy="write the list anew")
    return rows


def read_table(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a CSV file with a header, each with its line number, as column name -> cell.

    The columns asked for are found in any case and named as asked; a column without a name is left out (row numbers,
    as pandas writes them).

    Raises
    ------
    BadInput
        As `read_rows`, and where a column is missing or there twice, or a row has another number of cells.
    """
    (_, header), *rows = read_rows(path)
    known = {name.lower(): name for name in (*required, *optional)}
    header = [known.get(name.lower(), name) for name in header]
    missing = [name for name in required if name not in header]
    if missing:
        raise BadInput(
            where=path,
            expected=f"a header row with the columns {', '.join(required)}",
            found=f"{', '.join(header)[:200]} (no {', '.join(missing)})",
            remedy="name the columns in the first row",
        )
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise BadInput(
            where=path,
            expected="every column once",
            found=f"{', '.join(twice)} more than once",
            remedy="rename or remove one",
        )
    for number, row in rows:
        if len(row) != len(header):
            raise BadInput(
                where=f"{path}, line {number}",
                expected=f"{len(header)} cells as in the header",
                found=f"{len(row)}",
                remedy="complete the row, or quote cells that hold the separator",
            )
    return [(number, {n: c for n, c in zip(header, row, strict=True) if n}) for number, row in rows]


def typed(rows: Sequence[Mapping[str, str]]) -> list[dict[str, object]]:
    """Return the rows with one type per column: int, float, bool or str.

    None stands for a cell that is empty or says NA, NaN, null or unknown. A column of digits with leading zeros, or of
    more than 15, stays text, for it holds codes.
    """
    columns = {name: _typed_column([row[name] for row in rows]) for name in (rows[0] if rows else ())}
    return [{name: values[k] for name, values in columns.items()} for k in range(len(rows))]


def _typed_column(cells: list[str]) -> list[object]:
    there = [c for c in cells if c.lower() not in _ABSENT]
    convert = str
    if all(c.lower() in ("true", "false") for c in there):
        convert = _is_true
    elif all(_INTEGER.fullmatch(c) for c in there):
        convert = int
    elif all(_NUMBER.fullmatch(c) and not re.match(r"[+-]?0\d", c) for c in there):
        convert = float
    return [None if c.lower() in _ABSENT else convert(c) for c in cells]


def _is_true(cell: str) -> bool:
    return cell.lower() == "true"


def _read_text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        found = "nothing there" if isinstance(error, FileNotFoundError) else (error.strerror or str(error)).lower()
        raise BadInput(where=path, expected="a CSV file", found=found, remedy="name the file") from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadInput(where=path, expected="UTF-8 text", found="UTF-16", remedy="save it as CSV UTF-8")
    if b"\0" in data:
        raise BadInput(where=path, expected="text", found="NUL bytes", remedy="save it as CSV UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInput(
            where=f"{path}, line {line}",
            expected="UTF-8 text",
            found=f"the byte 0x{data[error.start]:02x} of another encoding",
            remedy="save it as CSV UTF-8",
        ) from None
