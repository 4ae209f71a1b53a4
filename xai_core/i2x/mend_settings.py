"""What decides a mending: its options, the rate of its epochs, and whether work in a folder is the same.

The start is the final network of a track: its last checkpoint. Every epoch has a fresh AdamW and everything else of the
recipe but the learning rate: constant, so that a first epoch is the same whether or not a second follows, and a tenth
of the recipe's highest, so that the network stays the one by which samples were found to carry a prototype. (ResNet-20
on 5,000 digits of MNIST, 97.7 % before; after an epoch on all of them, mean and standard deviation of three seeds: at
a tenth 97.6 +- 0.2 %, at the mean of the original schedule 92.7 +- 1.4 %, with warm-up and cosine again 97.0 +- 0.3 %.)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.files import read_json
from xai_core.i2x.strategies import MENDED
from xai_core.training import fine_tune
from xai_core.training.machine import used
from xai_core.training.parts import fingerprint
from xai_core.training.recipe import check_settings, setting

if TYPE_CHECKING:
    from xai_core.i2x.confusion import Confusion
    from xai_core.i2x.store import Track
    from xai_core.training import Recipe
    from xai_core.types import DataSet

FORMAT = "right-reasons mend 1"
SETTINGS, OVERFLOW = "settings.json", "state"
GENTLY = 0.1
_SPELLED = {"track", "model"}
_ORIGIN = (
    "classifier", "step", "dataset", "track_digest", "pair", "prototypes", "options", "optimiser", "lr", "recipe"
)  # fmt: skip


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
    most: float = setting(
        0.5, "share of a class that may be dropped; one of which more carries them is left whole", low=0.0, high=0.99
    )
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


def recipe_of(folder: Path, options: Options) -> tuple[Recipe, str]:
    """Return the model's recipe at the learning rate of the epochs, and what becomes of its batch norm."""
    recipe, batch_norm = fine_tune.recipe_of(folder)
    own = recipe.lr * (GENTLY if options.schedule == "constant" else 1.0)
    return replace(recipe, lr=options.lr or own), batch_norm


def settings_of(
    track: Track,
    folder: Path,
    dataset: DataSet,
    recipe: Recipe,
    options: Options,
    confusion: Confusion,
    threads: int,
) -> dict:
    """Return what must be the same when the work goes on; where track and model lie may differ."""
    kept = ("batch_size", "weight_decay", "warm_up", "class_weights", "augmentation", "orientation", "precision")
    return {
        "format": FORMAT,
        "track": str(track.folder),
        "track_digest": track.digest,
        "model": str(folder),
        "classifier": track.settings["classifier_digest"],
        "step": track.steps[-1],
        "dataset": dataset.spec,
        "data": fingerprint(dataset),
        "pair": list(confusion.pair),
        "prototypes": list(confusion.prototypes),
        "why": confusion.why,
        "options": asdict(options),
        "optimiser": "AdamW, anew for each epoch",
        "lr": recipe.lr,
        "recipe": {name: getattr(recipe, name) for name in kept},
        **used(threads or recipe.threads),
    }


def begin(out: Path, settings: dict, *, resume: bool, threads: int) -> dict:
    """Return the settings of the work in a folder, after removing what a kill left half-written.

    Where `threads` is 0 those the work was begun with count: bits depend on them.

    Raises
    ------
    BadInput
        Where the folder holds something else, or work with other settings.
    """
    for leftover in out.rglob(".*.tmp"):
        leftover.unlink()
    found = sorted(path.name for path in out.iterdir() if path.name not in (".lock", OVERFLOW))
    if not found:
        return settings
    if SETTINGS not in found:
        raise _bad(out, "a new folder", ", ".join(found[:4]), "choose another folder")
    if not resume:
        raise _bad(out, "a new folder", "work that was begun", "go on with --resume, or choose another folder")
    begun = read_json(out / SETTINGS)
    settings = settings if threads else settings | {"threads": begun.get("threads")}
    if differing := sorted(k for k in settings.keys() - _SPELLED if settings[k] != begun.get(k)):
        found = f"work with another {', '.join(differing)}"
        raise _bad(out, "the work that was begun here", found, "ask for the same, or choose another folder")
    return begun


def origin(settings: dict) -> dict:
    """Return what a mended network's card says of where it comes from."""
    return {name: settings[name] for name in _ORIGIN} | {"strategy": MENDED}


def _bad(out: Path, expected: str, found: str, remedy: str) -> BadInput:
    return BadInput(where=out, expected=expected, found=found, remedy=remedy)
