"""Mending a confusion: fine-tuning without the samples that carry an uncertain prototype, against what else could help.

    settings.json    what was asked for
    curated.parquet  each training sample: sample_id, label, share (of its places with the prototypes), dropped
    before.parquet, repeats/seed-S/STRATEGY.parquet
                     what the networks say of the judged part (`strategies`)
    models/seed-S/   the mended network of each repeat, a model folder
    mend.json        the outcome, sealed
    table.csv        its table

Nothing is chosen by a validation part: the network is taken as it is after an epoch. Every file follows from the
settings, so what was killed goes on and ends the same.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.datasets import open_dataset
from xai_core.errors import BadInput
from xai_core.files import exclusive, sealed, write_atomic, write_json
from xai_core.i2x import curated, mend_table
from xai_core.i2x.confusion import Confusion
from xai_core.i2x.mend_parts import judged_on, learned_from
from xai_core.i2x.mend_settings import FORMAT, OVERFLOW, SETTINGS, Options, begin, origin, recipe_of, settings_of
from xai_core.i2x.store import Track
from xai_core.i2x.strategies import STRATEGIES, Units, after, before, said
from xai_core.models import load
from xai_core.training import fine_tune
from xai_core.training.machine import machine

if TYPE_CHECKING:
    import pandas as pd

    from xai_core.models import Classifier


def mend(
    track: Track,
    out: str | Path,
    options: Options,
    confusion: Confusion,
    *,
    repeats: int = 5,
    model: str | None = None,
    threads: int = 0,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict:
    """Return the outcome of every strategy, and write it as ``mend.json`` and ``table.csv``.

    Parameters
    ----------
    track : Track
        Its samples of the training part are those that are trained on.
    out : str or Path
        A new folder, or with `resume` that of work that was cut off; repeats may be added.
    options : Options
    confusion : Confusion
        Which pair, and which prototypes; see `chosen`.
    repeats : int
        Seeds 0 .. repeats - 1: each decides the order of the samples and the random drop.
    model : str, optional
        The model folder, where it has moved since the track was made.
    threads : int
        0: those torch has now.
    resume : bool
    progress : callable, optional
        Told (updates done, updates in all).
    say : callable
        Told lines for a log.

    Returns
    -------
    dict
        ``rows`` (`mend_table.rows`), ``comparisons``, ``verdict`` (sentences), ``pair``, ``prototypes``, ``dropped``
        (samples of each class), ``updates`` of an epoch on each set, the settings, ``format`` and ``sha256``.

    Raises
    ------
    BadInput
        Where track, model and data do not go together, no sample would be dropped, or the folder holds something else.
    """
    out = Path(out)
    folder = Path(model or track.settings["model"])
    classifier = _final_network(track, folder)
    recipe, batch_norm = recipe_of(folder, options)
    dataset = open_dataset(track.settings["dataset"])
    at = np.flatnonzero((track.samples["split"] == "train").to_numpy())
    rows = track.samples.iloc[at]
    largest = curated.largest_share(track.share()[at], confusion.prototypes)
    drop = _dropped(largest, rows["label"].to_numpy(), options, confusion, classifier.class_names)
    with exclusive(out):
        asked = settings_of(track, folder, dataset, recipe, options, confusion, threads)
        settings = begin(out, asked, resume=resume, threads=threads or recipe.threads)
        say("reading images")
        reading = {"threads": settings["threads"], "overflow": out / OVERFLOW}
        judged = judged_on(dataset, options.split, classifier, **reading)
        learned = learned_from(track, dataset, rows, classifier, **reading)
        write_json(out / SETTINGS, settings)
        _write_curated(out / "curated.parquet", rows, largest, drop)
        tuning = fine_tune.FineTuning(classifier, recipe, batch_norm, learned.frames, learned.labels, options.schedule)
        units = Units(out, tuning, judged, drop, options.weight, range(repeats), origin(settings), progress, say)
        with machine(settings["threads"]):
            units.run()
        shutil.rmtree(out / OVERFLOW, ignore_errors=True)
        return _conclude(out, settings, units, confusion, classifier.class_names)


def _final_network(track: Track, folder: Path) -> Classifier:
    """Return the classifier at the last step of the track, if it is the one that was followed."""
    step, followed = track.steps[-1], track.settings["classifier_digest"]
    classifier = load(f"{folder}?checkpoint={step}")
    if classifier.digest != followed:
        raise BadInput(
            where=folder,
            expected=f"the classifier that the track follows, at step {step} {followed[:12]}",
            found=classifier.digest[:12],
            remedy="name the model the track was made from with --model, or make the track anew",
        )
    return classifier


def _dropped(
    largest: np.ndarray, labels: np.ndarray, options: Options, confusion: Confusion, names: Sequence[str]
) -> np.ndarray:
    """Return (N,) bool: the training samples that the curated set is without."""
    among = range(len(names)) if options.of == "all" else confusion.indices(names)
    return curated.dropped(largest, labels, options.presence, among, names, options.most)


def _write_curated(path: Path, rows: pd.DataFrame, largest: np.ndarray, drop: np.ndarray) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids, labels = (pa.array(rows[name].to_numpy()) for name in ("sample_id", "label"))
    table = pa.table({"sample_id": ids, "label": labels, "share": largest, "dropped": drop})
    write_atomic(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))


def _conclude(out: Path, settings: dict, units: Units, confusion: Confusion, names: Sequence[str]) -> dict:
    """Return the outcome after writing it."""
    called = {"before": said(before(out)).argmax(1)[None]}
    for name in STRATEGIES:
        called[name] = np.stack([said(after(out, seed, name)).argmax(1) for seed in units.seeds])
    calls = mend_table.Calls(units.judged.labels, confusion.indices(names), called)
    labels = units.tuning.labels
    compared = mend_table.comparisons(calls)
    outcome = {
        "format": FORMAT,
        "settings": settings,
        "pair": list(confusion.pair),
        "prototypes": list(confusion.prototypes),
        "samples": _by_class(labels, names),
        "dropped": _by_class(labels[units.drop], names),
        "judged": _by_class(units.judged.labels, names),
        "updates": units.updates,
        "seeds": list(units.seeds),
        "rows": mend_table.rows(calls),
        "interval": mend_table.INTERVAL,
        "comparisons": compared,
        "decides": mend_table.DECIDES,
        "verdict": mend_table.verdict(compared),
    }
    table = mend_table.as_csv(outcome["rows"])
    write_atomic(out / "table.csv", lambda temporary: temporary.write_text(table, encoding="utf-8"))
    outcome = sealed(outcome)
    write_json(out / "mend.json", outcome)
    return outcome


def _by_class(labels: np.ndarray, names: Sequence[str]) -> dict[str, int]:
    return dict(zip(names, np.bincount(labels, minlength=len(names)).tolist(), strict=True))
