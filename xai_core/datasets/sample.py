"""The synthetic dermoscopy set that ships with the repository.

Its layout is that of `table`; `synthetic` draws it and says what is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from xai_core.datasets import table
from xai_core.datasets.format import Format
from xai_core.types import DataSet

FILE = Path(__file__).parents[2] / "sample_data" / "dermoscopy" / "samples.csv"
_OPTIONS = {"classes": "benign,malignant", "positive": "malignant", "synthetic": "true", "bands": "lesions"}


def read(path: Path, options: Mapping[str, str]) -> DataSet:
    """Return the sample data; there is neither a path nor an option to give."""
    return table.read(FILE, _OPTIONS)


FORMAT = Format("the synthetic dermoscopy set that ships with the package, sample", read)
