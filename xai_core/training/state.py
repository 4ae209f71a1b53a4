"""Where a training stands, on disk, so that one that was killed goes on and ends with the same weights.

``state/settings.json``: recipe, data, versions; what must be the same when it goes on.
``state/progress.safetensors``: module, optimiser and history, one file, replaced atomically.
``state/best.safetensors``: what the best epoch so far changed. It is rewritten by every better epoch before `progress`
is: a kill in between leaves a file that the repeated epochs write again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.files import read_json, write_json
from xai_core.models import weights

if TYPE_CHECKING:
    import torch

FOLDER, SETTINGS, PROGRESS, BEST = "state", "settings.json", "progress.safetensors", "best.safetensors"
_SLOTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass
class Progress:
    """How far a training is.

    Attributes
    ----------
    step : int
        Updates done.
    loss : float
        Sum of the losses of the present epoch's steps.
    history : list of dict
        One row per finished epoch.
    """

    step: int = 0
    loss: float = 0.0
    history: list[dict] = field(default_factory=list)


def save_progress(folder: Path, progress: Progress, module: torch.nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Write everything the loop needs to go on from here."""
    tensors = {f"module/{name}": tensor for name, tensor in module.state_dict().items()}
    for name, parameter in module.named_parameters():
        slots = optimiser.state.get(parameter, {})
        tensors |= {f"{slot}/{name}": slots[slot] for slot in _SLOTS if slot in slots}
    # Python writes floats so that they read back exactly
    note = {"step": str(progress.step), "loss": repr(progress.loss), "history": json.dumps(progress.history)}
    weights.save_weights(tensors, folder / FOLDER / PROGRESS, note)


def restore_progress(folder: Path, module: torch.nn.Module, optimiser: torch.optim.Optimizer) -> Progress:
    """Return how far the training in a folder is, with module and optimiser put there; step 0 where nothing is kept."""
    from safetensors import safe_open

    path = folder / FOLDER / PROGRESS
    if not path.is_file():
        return Progress()
    tensors = weights.load_weights(path)
    module.load_state_dict(
        {name.removeprefix("module/"): t for name, t in tensors.items() if name.startswith("module/")}
    )
    for name, parameter in module.named_parameters():
        kept = {slot: tensors[f"{slot}/{name}"] for slot in _SLOTS if f"{slot}/{name}" in tensors}
        if kept:
            optimiser.state[parameter] = {k: v if k == "step" else _like(parameter, v) for k, v in kept.items()}
    with safe_open(path, "pt") as file:
        note = file.metadata()
    return Progress(int(note["step"]), float(note["loss"]), json.loads(note["history"]))


def _like(parameter: torch.Tensor, moment: torch.Tensor) -> torch.Tensor:
    """Return the moment on the parameter's device and in its memory layout: bits may depend on both."""
    import torch

    return torch.empty_like(parameter, memory_format=torch.preserve_format).copy_(moment).detach()


def begin(folder: Path, settings: dict, *, resume: bool) -> dict:
    """Return the settings that a training in this folder has: those given, or those it was begun with.

    ``threads`` is taken over from the beginning where the recipe leaves it open: bits depend on it.

    Raises
    ------
    BadInput
        Where the folder holds something else, or a training that was begun with other settings.
    """
    path = folder / FOLDER / SETTINGS
    if not path.is_file():
        write_json(path, settings)
        return settings
    if not resume:
        raise BadInput(
            where=folder,
            expected="a new folder",
            found="a training that has not ended",
            remedy="go on with --resume, remove the folder, or choose another name",
        )
    begun = read_json(path)
    if not settings["recipe"]["threads"]:
        settings = settings | {"threads": begun.get("threads")}
    differing = sorted(k for k in settings.keys() | begun.keys() if settings.get(k) != begun.get(k))
    if differing:
        raise BadInput(
            where=folder,
            expected="the settings this training was begun with",
            found=f"other {', '.join(_differences(begun, settings, differing))}",
            remedy="resume with the same recipe and data, or choose another folder",
        )
    return settings


def _differences(begun: dict, settings: dict, keys: list[str]) -> list[str]:
    found = []
    for key in keys:
        old, new = begun.get(key), settings.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += [f"{k} ({old.get(k)} before, {new.get(k)} now)" for k in sorted(new) if old.get(k) != new.get(k)]
        else:
            found.append(f"{key} ({old} before, {new} now)")
    return found
