"""Mending a confusion: fine-tuning without the samples that carry an uncertain prototype, against what else could help.

    settings.json    what was asked for
    curated.parquet  each training sample: sample_id, label, share (of its places with the prototypes), dropped
    before.parquet, repeats/seed-S/STRATEGY.parquet
                     what the networks say of the judged part (`strategies`)
    models/seed-S/   the mended network of each repeat, a model folder
    mend.json        the outcome, sealed
    table.csv        its table

The start is the final network of a track: its last checkpoint. Every epoch has a fresh AdamW and everything else of the
recipe but the learning rate: constant, so that a first epoch is the same whether or not a second follows, and a tenth
of the recipe's highest, so that the network stays the one by which samples were found to carry a prototype. (ResNet-20
on 5,000 digits of MNIST, 97.7 % before; after an epoch on all of them, mean and standard deviation of three seeds: at
a tenth 97.6 +- 0.2 %, at the mean of the original schedule 92.7 +- 1.4 %, with warm-up and cosine again 97.0 +- 0.3 %.)
Nothing is chosen by a validation part: the network is taken as it is after an epoch. Every file follows from the
settings, so what was killed goes on and ends the same.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.datasets import open_dataset
from xai_core.errors import BadInput
from xai_core.files import exclusive, read_json, sealed, write_atomic, write_json
from xai_core.i2x import curated, mend_table
from xai_core.i2x.confusion import Confusion
from xai_core.i2x.mend_parts import judged_on, learned_from
from xai_core.i2x.store import Track
from xai_core.i2x.strategies import MENDED, STRATEGIES, Units, after, before, said
from xai_core.models import load
from xai_core.training import Recipe, fine_tune
from xai_core.training.machine import machine, used
from xai_core.training.recipe import check_settings, setting

if TYPE_CHECKING:
    from xai_core.i2x.mend_parts import Learned
    from xai_core.models import Classifier

FORMAT = "right-reasons mend 1"
GENTLY = 0.1
_SPELLED, OVERFLOW = {"track", "model"}, "state"


@dataclass(frozen=True)
class Options:
    """How a confusion is mended; each field's metadata hold ``help``, and ``low``, ``high`` or ``choices``.

    Raises
    ------
    BadInput
        Where a value is outside its range.
    """

    of: str = setting(
        "pair", "classes whose samples may be dropped: those of the confused pair, or all", choices=("pair", "all")
    )
    presence: float = setting(0.05, "share of its places from which a sample carries a prototype", low=0.0, high=1.0)
    weight: float = setting(0.0, "how much a dropped sample still counts in the loss; 0: nothing", low=0.0, high=0.99)
    lr: float = setting(
        0.0,
        "learning rate; 0: a tenth of the recipe's highest, or that itself where its schedule is repeated",
        low=0.0,
        high=10.0,
    )
    schedule: str = setting(
        "constant",
        "learning rate over each epoch: constant, or the recipe's warm-up and cosine again",
        choices=fine_tune.SCHEDULES,
    )
    split: str = setting("test", "the part that networks are judged on")

    def __post_init__(self) -> None:
        check_settings(self)


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
        Where track, model and data do not go together, no sample or every one of a class would be dropped, or the
        folder holds something else.
    """
    out = Path(out)
    folder = Path(model or track.settings["model"])
    classifier = _final_network(track, folder)
    dataset = open_dataset(track.settings["dataset"])
    at = np.flatnonzero((track.samples["split"] == "train").to_numpy())
    rows = track.samples.iloc[at]
    recipe, batch_norm = _recipe(folder, options)
    with exclusive(out):
        asked = _settings(track, folder, recipe, options, confusion) | used(threads or recipe.threads)
        settings = _begin(out, asked, resume=resume, threads=threads or recipe.threads)
        say("reading images")
        reading = {"threads": settings["threads"], "overflow": out / OVERFLOW}
        learned = learned_from(track, dataset, rows, classifier, **reading)
        judged = judged_on(dataset, options.split, classifier, **reading)
        largest = curated.largest_share(track.share()[at], confusion.prototypes)
        drop = _dropped(out, learned, largest, options, confusion, classifier.class_names)
        tuning = fine_tune.FineTuning(classifier, recipe, batch_norm, learned.frames, learned.labels, options.schedule)
        units = Units(out, tuning, judged, drop, options.weight, range(repeats), _origin(settings), progress, say)
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


def _recipe(folder: Path, options: Options) -> tuple[Recipe, str]:
    """Return the model's recipe at the learning rate of an epoch, and what becomes of its batch norm."""
    recipe, batch_norm = fine_tune.recipe_of(folder)
    own = recipe.lr * (GENTLY if options.schedule == "constant" else 1.0)
    return replace(recipe, lr=options.lr or own), batch_norm


def _settings(track: Track, folder: Path, recipe: Recipe, options: Options, confusion: Confusion) -> dict:
    """Return what must be the same when the work goes on; where track and model lie may differ."""
    kept = ("batch_size", "weight_decay", "warm_up", "class_weights", "augmentation", "orientation", "precision")
    return {
        "format": FORMAT,
        "track": str(track.folder),
        "track_digest": track.digest,
        "model": str(folder),
        "classifier": track.settings["classifier_digest"],
        "step": track.steps[-1],
        "dataset": track.settings["dataset"],
        "pair": list(confusion.pair),
        "prototypes": list(confusion.prototypes),
        "why": confusion.why,
        "options": asdict(options),
        "optimiser": "AdamW, anew for each epoch",
        "lr": recipe.lr,
        "recipe": {name: getattr(recipe, name) for name in kept},
    }


def _begin(out: Path, settings: dict, *, resume: bool, threads: int) -> dict:
    """Return the settings; where `threads` is 0 those the work was begun with count: bits depend on them."""
    path = out / "settings.json"
    if not path.is_file():
        write_json(path, settings)
        return settings
    begun = read_json(path)
    settings = settings if threads else settings | {"threads": begun.get("threads")}
    differing = sorted(k for k in settings.keys() - _SPELLED if settings[k] != begun.get(k))
    if not resume or differing:
        raise BadInput(
            where=out,
            expected="the work that was begun here" if resume else "a new folder",
            found=f"work with another {', '.join(differing)}" if resume else "work that was begun",
            remedy="choose another folder" if resume else "go on with --resume, or choose another folder",
        )
    return begun


def _origin(settings: dict) -> dict:
    """Return what a mended network's card says of where it comes from."""
    kept = (
        "classifier",
        "step",
        "dataset",
        "track_digest",
        "pair",
        "prototypes",
        "options",
        "optimiser",
        "lr",
        "recipe",
    )
    return {name: settings[name] for name in kept} | {"strategy": MENDED}


def _dropped(
    out: Path, learned: Learned, largest: np.ndarray, options: Options, confusion: Confusion, names: Sequence[str]
) -> np.ndarray:
    """Return (N,) bool: the samples that the curated set is without, after writing them down."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    among = range(len(names)) if options.of == "all" else confusion.indices(names)
    drop = curated.dropped(largest, learned.labels, options.presence, among, names)
    ids, labels = pa.array(learned.sample_ids, pa.string()), pa.array(learned.labels.astype(np.int32))
    table = pa.table({"sample_id": ids, "label": labels, "share": largest, "dropped": drop})
    write_atomic(out / "curated.parquet", lambda temporary: pq.write_table(table, temporary, compression="zstd"))
    return drop


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
