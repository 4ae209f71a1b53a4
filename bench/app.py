"""How fast the pages answer: `python -m bench.app make --out DIR`, then `python -m bench.app measure DIR`.

`make` runs the real pipeline over 1,200 drawn pictures, then repeats its rows under new ids, with probabilities and
metadata of their own, until the run is as long as asked: its maps, regions and scores are real, its manifest's
content digest is not the one that SPEC.md describes (that would take an hour at a million). `measure` drives Debian's
Chromium against the real server.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "sample_data" / "models" / "demo"
DRAWN = ROOT / "sample_data" / "dermoscopy"
TURNS = ("as it is", "left to right", "upside down")
SITES = np.array(["back", "chest", "face", "forearm", "lower leg", "scalp"])
PART_SIZE, BLOCK = 256, 16_384


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="make a long run in DIR/runs/big")
    making.add_argument("--records", type=int, default=50_000)
    making.add_argument("--out", type=Path, required=True, metavar="DIR")
    measuring = commands.add_parser("measure", help="drive the pages in DIR with a browser")
    measuring.add_argument("folder", type=Path, metavar="DIR")
    measuring.add_argument("--actions", type=int, default=7, help="of each kind; medians are told")
    asked = parser.parse_args()
    if asked.command == "make":
        figures = make(asked.out, asked.records)
    else:
        from bench.pages import measure

        figures = measure(asked.folder.resolve(), asked.actions)
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")


def make(out: Path, records: int) -> dict:
    """Return how long each step took; the run lies in ``out/runs/big`` afterwards."""
    started = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    small = make_small(out)
    after_small = time.perf_counter()
    folder = out / "runs" / "big"
    shutil.rmtree(folder, ignore_errors=True)
    repeat(small, folder, records)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "records": records,
        "folder": str(folder),
        "megabytes": round(size / 1e6, 1),
        "seconds_small_run": round(after_small - started, 1),
        "seconds_repeating": round(time.perf_counter() - after_small, 1),
    }


def make_small(out: Path) -> Path:
    """Return the folder of a real run over 1,200 JPEGs: the drawn pictures, and each of them turned two ways."""
    from xai_core.datasets import open_dataset
    from xai_core.models import load
    from xai_core.runs import explain_dataset

    table = draw(out / "data")
    folder = out / "small"
    dataset = open_dataset(f"table:{table}?positive=malignant&classes=benign,malignant&synthetic=true&bands=lesions")
    classifier = load(MODEL, device="cpu")
    explain_dataset(dataset, classifier, "grad_cam", folder, threads=1, resume=True, model=str(MODEL))
    return folder


def draw(folder: Path) -> Path:
    """Return the table of 1,200 pictures and masks; one picture in 20 is left without a mask."""
    import csv

    table = folder / "samples.csv"
    if table.exists():
        return table
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "masks").mkdir(exist_ok=True)
    with (DRAWN / "samples.csv").open(encoding="utf-8") as file:
        sources = list(csv.DictReader(file))
    lines = ["image,label,mask\n"]
    for place, (turn, source) in enumerate((turn, source) for turn in range(len(TURNS)) for source in sources):
        name = f"picture_{place:04d}"
        _turned(DRAWN / source["image"], folder / "images" / f"{name}.jpg", turn)
        mask = "" if place % 20 == 7 else f"masks/{name}.png"
        if mask:
            _turned(DRAWN / source["mask"], folder / mask, turn)
        lines.append(f"images/{name}.jpg,{source['label']},{mask}\n")
    table.write_text("".join(lines), encoding="utf-8")
    return table


def _turned(source: Path, target: Path, turn: int) -> None:
    from PIL import Image, ImageOps

    with Image.open(source) as image:
        (image, ImageOps.mirror(image), ImageOps.flip(image))[turn].save(target, quality=85)


def repeat(small: Path, folder: Path, records: int) -> None:
    """Write a finished run of `records` rows, those of a small run over and over, with its scores."""
    from xai_core.files import read_json, sha256_of, write_json
    from xai_core.runs.store import _records_in_order, _write_part

    manifest = read_json(small / "run.json")
    settings = manifest["settings"] | {"dataset_root": "../../data"}
    source = pa.concat_tables([pq.read_table(small / part["file"]) for part in manifest["parts"]]).sort_by("position")
    files = []
    for start in range(0, records, BLOCK):
        say(f"{start} of {records} rows")
        block = _block(source, start, min(start + BLOCK, records))
        for first in range(0, block.num_rows, PART_SIZE):
            files.append(_write_part(folder / "parts", len(files), block.slice(first, PART_SIZE)))
    say("records and scores")
    pq.write_table(_records_in_order(files), folder / "records.parquet", compression="zstd")
    _repeat_scores(small, folder, settings["region_rule"], records)
    write_json(folder / "settings.json", settings)
    parts = [
        {"file": f"parts/{file.name}", "sha256": sha256_of(file), "rows": pq.read_metadata(file).num_rows}
        for file in files
    ]
    stored = {"file": "records.parquet", "sha256": sha256_of(folder / "records.parquet")}
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    changed = {"settings": settings, "samples": records, "parts": parts, "records": stored, "content_digest": digest}
    write_json(folder / "run.json", manifest | changed)


def _block(source: pa.Table, start: int, stop: int) -> pa.Table:
    """Return rows `start` to `stop` of the long run; probabilities move, but to the other side of 0.5 never."""
    rng = np.random.default_rng(start)
    places = np.arange(start, stop)
    table = source.take(pa.array(places % source.num_rows))
    positive = np.array(table["probabilities"].to_pylist())[:, 1].clip(1e-6, 1 - 1e-6)
    strength = np.exp(rng.normal(0, 0.4, len(places)))
    positive = 1 / (1 + ((1 - positive) / positive) ** strength)
    both = np.stack([1 - positive, positive], 1).astype(np.float32)
    confidence = both.max(1)
    columns = {
        "sample_id": pa.array([f"case_{place:07d}" for place in places]),
        "position": pa.array(places.astype(np.int32)),
        "probabilities": pa.ListArray.from_arrays(np.arange(0, both.size + 1, 2, dtype=np.int32), both.ravel()),
        "confidence": pa.array(confidence),
        "target_probability": pa.array(confidence),
        "metadata": pa.array(_metadata(table["label"].to_pylist(), rng)),
    }
    for name, column in columns.items():
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
    return table


def _metadata(labels: list[str], rng: np.random.Generator) -> list[str]:
    """Return JSON texts: the malignant are older, patches lie beside the benign only, one age in 30 is not known."""
    malignant = np.array(labels) == "malignant"
    n = len(labels)
    ages = rng.normal(np.where(malignant, 62, 45), 14).clip(4, 95).astype(int)
    values = zip(
        np.where(rng.random(n) < 1 / 30, "null", ages.astype(str)),
        np.where(rng.random(n) < 0.53, "male", "female"),
        SITES[rng.integers(0, len(SITES), n)],
        np.where(~malignant & (rng.random(n) < 0.3), "true", "false"),
        strict=True,
    )
    return [f'{{"age": {a}, "patch": {p}, "sex": "{s}", "site": "{site}"}}' for a, s, site, p in values]


def _repeat_scores(small: Path, folder: Path, rule: str, records: int) -> None:
    from xai_core.files import sha256_of, write_json
    from xai_core.runs import open_run
    from xai_core.runs.scoring import score

    scores = pq.read_table(score(open_run(small), rule))
    longer = scores.take(pa.array(np.arange(records) % scores.num_rows))
    ids = pa.array([f"case_{place:07d}" for place in range(records)])
    path = folder / "scores" / f"{rule.replace(':', '-')}.parquet"
    path.parent.mkdir()
    pq.write_table(longer.set_column(0, "sample_id", ids), path)
    write_json(path.with_suffix(".json"), {"rule": rule, "sha256": sha256_of(path), "seconds": 0.0})


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
