"""The shipped set: drawn anew pixel for pixel, described column for column; and how a set is written."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xai_core.datasets.synthetic import COLUMNS, SEED, N, abcd_score, draw, write
from xai_core.datasets.synthetic.canvas import LEVELS
from xai_core.datasets.synthetic.rule import SUSPICIOUS
from xai_core.errors import BadInput

SHIPPED = Path(__file__).parent.parent / "sample_data" / "dermoscopy"


def read_rows(folder):
    with (folder / "samples.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture(scope="module")
def rows():
    return read_rows(SHIPPED)


def column(rows, name):
    return np.array([float(row[name]) for row in rows])


def test_the_shipped_table_has_every_column_and_every_file(rows):
    assert list(rows[0]) == list(COLUMNS) and len(rows) == N
    for kind in ("image", "mask"):
        listed = {row[kind] for row in rows}
        assert listed == {f"{kind}s/{p.name}" for p in (SHIPPED / f"{kind}s").iterdir()} and len(listed) == N
    page = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert "No patient" in page and "SHORTCUT" in page and all(f"`{name}`" in page for name in COLUMNS)


def test_the_shipped_set_fits_its_budget():
    assert sum(p.stat().st_size for p in SHIPPED.rglob("*.png")) <= 6_000_000


def test_shipped_pixels_are_drawn_anew(rows):
    """Every label, split and kind of artefact is among those drawn again.

    Tolerance: another CPU may round a few pixels in 100,000 to the neighbouring level.
    """
    chosen = stratified(rows)
    assert len(chosen) >= N // 10
    different = total = 0
    for k in chosen:
        again = draw(k, SEED)
        image, mask = pixels(SHIPPED / rows[k]["image"]), pixels(SHIPPED / rows[k]["mask"])
        apart = np.abs(image.astype(int) - again.image)
        assert apart.max() <= LEVELS
        different, total = different + (apart > 0).sum() + (mask != again.mask * 255).sum(), total + apart.size
        written = {name: "" if value is None else str(value) for name, value in again.metadata.items()}
        assert {name: rows[k][name] for name in written} == written and rows[k]["label"] == again.label
    assert different <= 1e-4 * total


def stratified(rows):
    kinds = {}
    for k, row in enumerate(rows):
        strata = (
            (row["label"], row["split"]),
            *((name, row[name]) for name in ("has_patch", "has_ruler", "dark_corners")),
        )
        for stratum in (*strata, ("skin_tone", row["skin_tone"]), ("structure", row["structure"])):
            kinds.setdefault(stratum, []).append(k)
    return sorted({k for members in kinds.values() for k in members[:: max(1, len(members) // 3)]})


def test_shipped_masks_are_black_and_white_of_the_picture_s_size_and_the_recorded_area(rows):
    for row in rows:
        mask = pixels(SHIPPED / row["mask"])
        with Image.open(SHIPPED / row["image"]) as image:
            assert image.mode == "RGB" and image.size == mask.shape[::-1] and mask.shape[0] != mask.shape[1]
        assert set(np.unique(mask)) == {0, 255}
        assert round((mask == 255).mean(), 5) == float(row["lesion_area_fraction"])


def test_the_label_rule_can_be_checked_from_the_table(rows):
    for row in rows:
        score = abcd_score(float(row["asymmetry"]), int(row["border"]), int(row["colours"]), float(row["diameter_mm"]))
        assert score == float(row["abcd_score"])
        assert len(row["colour_names"].split("+")) == int(row["colours"])
        inside = SUSPICIOUS[0] <= score <= SUSPICIOUS[1]
        assert inside == (row["borderline"] == "1")
        if not inside:
            assert (row["label"] == "malignant") == (score > SUSPICIOUS[1])
    zone = [row["label"] for row in rows if row["borderline"] == "1"]
    assert 0.08 < len(zone) / N < 0.25 and 0.3 < zone.count("malignant") / len(zone) < 0.7


def test_splits_keep_patients_whole_and_both_classes(rows):
    splits = {}
    for row in rows:
        splits.setdefault(row["group"], set()).add(row["split"])
    assert all(len(s) == 1 for s in splits.values()) and len(splits) < N
    for split, share in (("train", 0.6), ("validation", 0.15), ("test", 0.25)):
        part = [row["label"] for row in rows if row["split"] == split]
        assert len(part) == round(share * N) and 0.3 < part.count("malignant") / len(part) < 0.5


def test_what_tells_the_label_and_what_does_not(rows):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import cross_val_predict
    from sklearn.preprocessing import StandardScaler

    malignant = np.array([row["label"] == "malignant" for row in rows])
    traits = np.stack([column(rows, name) for name in ("asymmetry", "border", "colours", "diameter_mm")], axis=1)
    scaled = StandardScaler().fit_transform(traits)
    predicted = cross_val_predict(LogisticRegression(), scaled, malignant, cv=5, method="predict_proba")[:, 1]
    assert 0.96 < roc_auc_score(malignant, predicted) < 1.0
    assert 0.55 < roc_auc_score(malignant, column(rows, "lesion_area_fraction")) < 0.75
    assert 0.53 < roc_auc_score(malignant, column(rows, "age")) < 0.7
    patched = column(rows, "has_patch") == 1
    assert not malignant[patched].any() and 0.4 < patched.sum() / (~malignant).sum() < 0.6
    # 0.08: 2.7 standard errors of an AUC of 0.5 with these counts
    for name in ("hairs", "bubbles", "has_ruler", "dark_corners", "skin_tone"):
        assert roc_auc_score(malignant, column(rows, name)) == pytest.approx(0.5, abs=0.08), name


def test_a_set_is_written_whole_and_an_earlier_one_replaced(tmp_path):
    folder = tmp_path / "b"
    table = write(folder, n=3, seed=5, patches=False)
    assert table == folder / "samples.csv" and len(read_rows(folder)) == 3
    assert "without patches" in (folder / "README.md").read_text(encoding="utf-8")
    assert {row["has_patch"] for row in read_rows(folder)} == {"0"}
    write(folder, n=2, seed=6, size=(72, 96))
    assert len(list((folder / "images").iterdir())) == len(list((folder / "masks").iterdir())) == 2
    row = read_rows(folder)[1]
    again = draw(1, 6, size=(72, 96))
    assert np.array_equal(pixels(folder / row["image"]), again.image)
    assert np.array_equal(pixels(folder / row["mask"]) == 255, again.mask)
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_nobody_s_files_are_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"thesis\.txt"):
        write(tmp_path, n=1)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(BadInput, match="expected 1 picture or more"):
        write(tmp_path / "none", n=0)


def test_a_write_that_fails_leaves_the_earlier_set(tmp_path, monkeypatch):
    write(tmp_path / "set", n=1, seed=5, size=(72, 96))
    before = (tmp_path / "set" / "samples.csv").read_bytes()
    monkeypatch.setattr("xai_core.datasets.synthetic.files._write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / "set", n=2, seed=5, size=(72, 96))
    assert (tmp_path / "set" / "samples.csv").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def fail(*_):
    raise OSError("disk full")
