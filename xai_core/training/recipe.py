"""Everything that decides how a classifier is trained, described so that flags and forms can be made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from xai_core.errors import BadInput

PATHWAYS = ("fine-tune", "linear-probe", "scratch")
ORIENTATIONS = ("auto", "any", "mirror", "fixed")


def setting(default: Any, help_: str, *, low: float | None = None, high: float | None = None, choices: tuple = ()):
    """Return a dataclass field whose metadata say what it means and which values it takes."""
    return field(default=default, metadata={"help": help_, "low": low, "high": high, "choices": choices})


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained; the same recipe, data, threads and device give the same weights.

    Each field's metadata hold ``help``, and ``low``, ``high`` or ``choices`` where they apply.

    Raises
    ------
    BadInput
        Where a value is outside its range or two of them contradict each other.
    """

    arch: str = setting(
        "mobilenetv2_100",
        "network: a timm name or import:package.module:callable, with any options: mobilenetv2_100?pad_type=same",
    )
    weights: str = setting("hub", "where pretrained weights come from: hub, or a .safetensors or .pth file")
    pathway: str = setting(
        "fine-tune",
        "fine-tune all of the pretrained network, fit a new head alone (linear-probe), or start from scratch",
        choices=PATHWAYS,
    )
    epochs: int = setting(0, "passes over the training part; 0: 8, 100 for a linear probe", low=0, high=10_000)
    batch_size: int = setting(32, "images per step", low=1, high=65_536)
    lr: float = setting(0.0, "highest learning rate; 0: the pathway's own", low=0.0, high=10.0)
    weight_decay: float = setting(0.05, "AdamW's weight decay, on matrices and kernels only", low=0.0, high=10.0)
    warm_up: float = setting(0.1, "share of the steps in which the learning rate rises", low=0.0, high=1.0)
    class_weights: bool = setting(True, "weight the loss so that every class counts the same")
    augmentation: float = setting(
        1.0, "strength of shifts, zooms and colour changes; 0: none, 1: as usual", low=0.0, high=2.0
    )
    orientation: str = setting(
        "auto",
        "what a training image may be turned into: any of the eight flips and right-angle turns, its mirror image, or "
        "nothing; auto: any for lesions, else mirror",
        choices=ORIENTATIONS,
    )
    size: int = setting(0, "side of the model frame in pixels; 0: the architecture's own", low=0, high=4096)
    fit: str = setting(
        "", "how an image is brought to the frame: crop, squash, pad_zero, pad_reflect, ...; '': its own"
    )
    batch_norm: str = setting(
        "auto",
        "batch-norm statistics: train, frozen, or auto: frozen where the weights came with none (folded)",
        choices=("auto", "train", "frozen"),
    )
    patience: int = setting(
        4, "epochs without a better validation metric before it stops; 0: never", low=0, high=10_000
    )
    validation_share: float = setting(
        0.2, "share of the training part set aside where the data set has no validation part", low=0.01, high=0.9
    )
    split_seed: int = setting(0, "decides which samples are set aside for validation", low=0)
    seed: int = setting(0, "decides the new head, the order of the samples, augmentation and dropout", low=0)
    precision: str = setting(
        "auto",
        "float32, bfloat16 (mixed), or auto: bfloat16 on CUDA, float32 on the CPU",
        choices=("auto", "float32", "bfloat16"),
    )
    threads: int = setting(0, "CPU threads; 0: those torch has now. Bits depend on it", low=0, high=1024)
    checkpoints: int = setting(24, "how many checkpoints to keep besides the best weights; 0: none", low=0, high=1000)
    checkpoint_gb: float = setting(4.0, "disk that all checkpoints may take, in GB: fewer are kept", low=0.0)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.pathway == "scratch" and self.weights not in ("hub", "none"):
            _refuse("pathway", "no weights to start from scratch", self.weights, "leave weights out, or fine-tune")
        if self.pathway != "scratch" and self.weights == "none":
            _refuse("weights", f"weights to {self.pathway}", "none", "name hub or a file, or use pathway scratch")

    def as_dict(self) -> dict:
        """Return the fields as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe that `as_dict` described.

        Raises
        ------
        BadInput
            Where a name is no field.
        """
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            _refuse("recipe", "fields of a recipe", ", ".join(unknown), "remove them")
        return cls(**values)


def check_settings(settings: Any) -> None:
    """Raise BadInput where a field made by `setting` has a value that it does not take."""
    for f in fields(settings):
        _check(f.name, getattr(settings, f.name), f.metadata)


def _check(name: str, value: Any, metadata: Mapping[str, Any]) -> None:
    low, high, choices = metadata["low"], metadata["high"], metadata["choices"]
    if choices and value not in choices:
        _refuse(name, f"one of {', '.join(choices)}", repr(value), "choose one")
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        _refuse(name, f"{low if low is not None else ''} to {high if high is not None else 'any'}", value, "change it")


def _refuse(name: str, expected: str, found: object, remedy: str) -> None:
    raise BadInput(where=name, expected=expected, found=str(found), remedy=remedy)
