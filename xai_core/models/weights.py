"""Reading and writing weights: tensors by name, and nothing that could run.

A file of weights comes from anywhere, so it is read as data only: ``.safetensors``, or ``.pth`` through
``torch.load(weights_only=True)`` (safe from torch 2.10 on, DESIGN 6.9), with no other way in when that fails.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.files import write_atomic

if TYPE_CHECKING:
    import torch

TORCH_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".tar")
# what training scripts call the weights inside a larger dictionary, in the order they are preferred
NESTINGS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model", "network", "net", "weights")
WRAPPERS = ("module.", "_orig_mod.")  # DataParallel and torch.compile put these before every name
LISTED = 6


def load_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Return the named tensors of a weights file, on the CPU, in the file's own precision.

    Nestings (``{"state_dict": ...}``) are unwrapped and prefixes of parallel wrappers (``module.``) removed.

    Raises
    ------
    BadInput
        Where the file is absent, truncated, of another kind, holds anything but tensors, claims more data than it
        has, or holds values that are not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise _bad(path, "no such file", "check the path")
    if path.suffix == ".safetensors":
        state = _read_safetensors(path)
    elif path.suffix in TORCH_SUFFIXES:
        state = _unwrap(_read_torch(path), path)
    else:
        raise _bad(path, f"a name that ends in {path.suffix or 'nothing'}", "name a .safetensors, .pth or .pt file")
    _check_finite(state, path)
    return state


def save_weights(state: Mapping[str, torch.Tensor], path: str | Path, note: Mapping[str, str] | None = None) -> Path:
    """Return `path` after writing the tensors as ``.safetensors``, atomically; `note` becomes the file's metadata."""
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, tensor in state.items():
        plain = tensor.detach().to("cpu").contiguous()
        # the format refuses two names for one memory (tied weights)
        tensors[name] = plain.clone() if plain.data_ptr() in seen else plain
        seen.add(plain.data_ptr())

    def write(temporary: Path) -> None:
        save_file(tensors, temporary, dict(note or {}))
        temporary.chmod(0o644)  # safetensors makes files that only their owner can read: no use in a shared folder

    return write_atomic(Path(path), write)


def fit_weights(
    network: torch.nn.Module, state: Mapping[str, torch.Tensor], where: object, *, head: str | None = None
) -> tuple[str, ...]:
    """Return the names that keep their fresh values after `state` was copied into the network.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place.
    state : mapping of str to tensor
        Of any floating precision. Names that share one first part which the network's do not have ("model.") lose it.
    where : object
        The file, for messages.
    head : str, optional
        Dotted name of the module that may stay fresh because the file's was made for other classes.

    Raises
    ------
    BadInput
        Where names are missing, left over, or of another shape; the message names them.
    """
    own = network.state_dict()
    state = _strip_shared_part(state, own)
    differing = {k for k in own.keys() & state.keys() if own[k].shape != state[k].shape}
    # older files lack the counters, and nothing reads them
    missing = {k for k in own.keys() - state.keys() if not k.endswith("num_batches_tracked")}
    fresh = {k for k in missing | differing if head and k.startswith(f"{head}.")}
    left_over = state.keys() - own.keys()
    if missing - fresh or differing - fresh or left_over:
        shapes = [f"{k} {tuple(state[k].shape)} for {tuple(own[k].shape)}" for k in sorted(differing - fresh)]
        parts = [("missing", sorted(missing - fresh)), ("of another shape", shapes), ("left over", sorted(left_over))]
        raise BadInput(
            where=where,
            expected=f"the {len(own)} tensors of this network",
            found="; ".join(f"{what}: {_listed(names)}" for what, names in parts if names),
            remedy="name the network these weights were made for, with the same options",
        )
    taken = {k: v for k, v in state.items() if k in own and k not in fresh}
    network.load_state_dict(taken, strict=False)
    return tuple(sorted(fresh))


def _strip_shared_part(state: Mapping, own: Mapping) -> Mapping:
    first = {name.partition(".")[0] for name in state}
    if len(first) != 1 or not own or next(iter(first)) in {name.partition(".")[0] for name in own}:
        return state
    return {name.partition(".")[2]: tensor for name, tensor in state.items()}


def _read_safetensors(path: Path) -> dict:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise _bad(path, f"a damaged file ({_first_line(error)})", "fetch the file again") from error


def _read_torch(path: Path) -> object:
    import torch

    _refuse_inflation(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile pickle can raise anything; all of it means the same
        # torch's own advice, to load with weights_only=False, is the one thing not to repeat
        name = re.search(r"GLOBAL\s+([\w.]+)", str(error)) or re.search(r"of unsupported class\s+(\S+)", str(error))
        found = (
            f"a pickle that calls for {name[1]}" if name else f"a file torch cannot read as weights ({_kind(error)})"
        )
        remedy = "fetch the file again, or have it saved as .safetensors; pickled code is never run"
        raise _bad(path, found, remedy) from error


def _refuse_inflation(path: Path) -> None:
    """Refuse an archive that unpacks to more than it is: torch stores its tensors uncompressed."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise _bad(path, f"a damaged archive ({_first_line(error)})", "fetch the file again") from error
    packed = any(m.compress_type != zipfile.ZIP_STORED for m in members)
    if packed or sum(m.file_size for m in members) > path.stat().st_size:
        raise _bad(path, "an archive that unpacks to more than its size", "have it saved as .safetensors")


def _unwrap(value: object, path: Path) -> dict[str, torch.Tensor]:
    import torch

    while isinstance(value, dict):
        inner = next((value[k] for k in NESTINGS if isinstance(value.get(k), dict)), None)
        if inner is None:
            break
        value = inner
    if not isinstance(value, dict) or not value:
        raise _bad(path, f"{type(value).__name__} without tensors", "save the network's state_dict()")
    odd = [str(k) for k, v in value.items() if not isinstance(k, str) or not isinstance(v, torch.Tensor)]
    if odd:
        raise _bad(path, f"entries that are no tensors: {_listed(odd)}", "save the network's state_dict()")
    unreal = [k for k, v in value.items() if not _is_backed(v)]
    if unreal:
        raise _bad(path, f"tensors larger than their data: {_listed(unreal)}", "save the network's state_dict()")
    for prefix in WRAPPERS:
        if all(name.startswith(prefix) for name in value):
            value = {name.removeprefix(prefix): tensor for name, tensor in value.items()}
    return {name: tensor.detach() for name, tensor in value.items()}


def _is_backed(tensor: torch.Tensor) -> bool:
    import torch

    # strides of zero can make a terabyte out of one number; it would be allocated on the first copy
    if tensor.layout is not torch.strided or tensor.device.type != "cpu":
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _check_finite(state: Mapping[str, torch.Tensor], path: Path) -> None:
    bad = [k for k, v in state.items() if v.is_floating_point() and not bool(v.isfinite().all())]
    if bad:
        raise _bad(path, f"values that are not finite in {_listed(bad)}", "fetch the file again, or train anew")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _kind(error: Exception) -> str:
    return f"{type(error).__name__}: {_first_line(error)}" if isinstance(error, (RuntimeError, OSError)) else "damaged"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


def _bad(path: Path, found: str, remedy: str) -> BadInput:
    return BadInput(where=path, expected="a file of weights", found=found, remedy=remedy)
