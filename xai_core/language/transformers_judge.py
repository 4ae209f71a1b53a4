"""A vision-language model on this machine as the judge: any image-text-to-text model of Transformers."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xai_core.errors import BadInput
from xai_core.files import sha256_of
from xai_core.language.judge import Answer
from xai_core.models.torchvision_operators import declare_missing_operators

if TYPE_CHECKING:
    import torch

    from xai_core.language.asking import Request

BATCH = {"cpu": 4, "cuda": 16}
TOKENS = 512
# weights as safetensors only, and no Python files
FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")


class TransformersJudge:
    """A judge that runs here; what it is shown does not leave the machine.

    It takes the likeliest token each time, so the same picture and text give the same answer on the same machine with
    the same batch; another batch or device may round differently.

    Parameters
    ----------
    model : str
        A folder, or a name on the hub, with ``@REVISION`` where one is meant (fetched once, weights only as
        safetensors; code from there is never run).
    device : str, optional
        ``cpu`` or ``cuda``; the latter by default where there is one.
    batch : int, optional
        Pictures at once; halved by itself where they do not fit in the accelerator's memory.
    tokens : int
        The longest answer.

    Raises
    ------
    BadInput
        Where Transformers is not installed, the model is not there, is of another kind, has no safetensors or no chat
        template, or needs code of its own.
    """

    remote = False

    def __init__(self, model: str, *, device: str | None = None, batch: int | None = None, tokens: int = TOKENS):
        import torch
        from safetensors import SafetensorError

        transformers = _transformers()
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        folder, revision = _folder_of(model)
        try:
            self._processor = transformers.AutoProcessor.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            self._network, loaded = transformers.AutoModelForImageTextToText.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
                dtype=torch.float32 if self.device == "cpu" else "auto",
            )
        except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
            raise _unusable(model, _first_line(error)) from error
        _check(model, self._processor, loaded["missing_keys"])
        self._network.to(self.device).eval()
        self._network.generation_config = _greedy(transformers, self._network, self._processor.tokenizer, tokens)
        self._processor.tokenizer.padding_side = "left"  # so that every answer begins where its prompt ends
        self.name = Path(model.partition("@")[0]).name
        self.batch = batch or BATCH.get(self.device.partition(":")[0], BATCH["cuda"])
        self.settings = {
            "kind": "transformers",
            "model": self.name,
            "revision": revision,
            "tokens": tokens,
            "dtype": str(self._network.dtype).removeprefix("torch."),
            "transformers": transformers.__version__,
        }
        self._lock = threading.Lock()

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Return an answer for each request, in order; one call at a time, however many threads call."""
        with self._lock:
            return self._answer(list(requests))

    def _answer(self, requests: list[Request]) -> list[Answer]:
        import torch

        try:
            return self._generate(requests)
        except torch.OutOfMemoryError as error:
            if len(requests) == 1:
                raise BadInput(
                    where=self.name,
                    expected="an accelerator with room for one picture",
                    found="too little memory",
                    remedy="choose a smaller model, or --device cpu",
                ) from error
        torch.cuda.empty_cache()
        half = len(requests) // 2
        return self._answer(requests[:half]) + self._answer(requests[half:])

    def _generate(self, requests: list[Request]) -> list[Answer]:
        import torch

        started = time.perf_counter()
        inputs = self._inputs(requests)
        with torch.inference_mode():
            whole = self._network.generate(**inputs)
        told = whole[:, inputs["input_ids"].shape[1] :].cpu()
        texts = self._processor.tokenizer.batch_decode(told, skip_special_tokens=True)
        seconds = (time.perf_counter() - started) / len(requests)
        asked = inputs["attention_mask"].sum(1).tolist()
        return [
            Answer(text.strip(), seconds, before + self._length(row))
            for text, row, before in zip(texts, told, asked, strict=True)
        ]

    def _inputs(self, requests: list[Request]):
        """Return the processor's tensors of a batch, on the device, in the network's own precision."""
        import torch

        pictures = [[torch.from_numpy(each.image.copy()).permute(2, 0, 1)] for each in requests]
        texts = [self._text(each.prompt) for each in requests]
        inputs = self._processor(text=texts, images=pictures, padding=True, return_tensors="pt")
        return inputs.to(self._network.device, dtype=self._network.dtype)

    def _text(self, prompt: str) -> str:
        """Return a prompt as the model's chat template puts it, behind the picture."""
        for token in self._processor.tokenizer.all_special_tokens:
            prompt = prompt.replace(token, " ")  # a class name is no command to the model
        content = [{"type": "image"}, {"type": "text", "text": prompt}]
        messages = [{"role": "user", "content": content}]
        return self._processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)

    def _length(self, row: torch.Tensor) -> int:
        """Return the tokens of one answer, its end included and what pads it to the longest of the batch left out."""
        ends = self._network.generation_config.eos_token_id
        place = next((place for place, token in enumerate(row.tolist()) if token in ends), len(row) - 1)
        return place + 1


def _transformers():
    """Return the library, with what it needs from torchvision in place."""
    declare_missing_operators()
    try:
        import transformers
    except ImportError as error:
        raise BadInput(
            where="transformers",
            expected="Transformers installed",
            found="none",
            remedy="run `.venv/bin/pip install -r requirements-language.txt`",
        ) from error
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _folder_of(model: str) -> tuple[Path, str]:
    """Return the folder of a model and what tells it from any other: its commit on the hub, or its files' digest."""
    if (folder := Path(model)).is_dir():
        files = sorted(file for pattern in FILES for file in folder.glob(pattern))
        known = hashlib.sha256("".join(f"{file.name} {sha256_of(file)}\n" for file in files).encode()).hexdigest()
    elif model.startswith((".", "/", "~")):  # no name on the hub begins so
        raise _unusable(model, "no such folder")
    else:
        folder = _fetched(model)
        known = folder.name
    if not any(folder.glob("*.safetensors")):
        raise _unusable(model, "no weights as safetensors")
    return folder, known


def _fetched(model: str) -> Path:
    """Return the folder with the files of a model on the hub: those kept on this machine where it is offline."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = model.partition("@")
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=list(FILES)))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise _unusable(model, _first_line(error)) from error


def _check(model: str, processor: object, missing: Collection[str]) -> None:
    if missing:
        raise _unusable(model, f"no weights for {len(missing)} parts, {min(missing)} among them")
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise _unusable(model, "a model that takes no pictures")
    if not (getattr(processor, "chat_template", None) or processor.tokenizer.chat_template):
        raise _unusable(model, "no chat template: the model was not taught to answer questions")


def _greedy(transformers, network, tokenizer, tokens: int):
    """Return how to generate: the likeliest token each time, up to `tokens`, until one that the model ends with."""
    ends = network.generation_config.eos_token_id
    ends = tokenizer.eos_token_id if ends is None else ends
    ends = list(ends) if isinstance(ends, (list, tuple)) else [ends]
    pad = ends[0] if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    return transformers.GenerationConfig(
        do_sample=False, num_beams=1, max_new_tokens=tokens, eos_token_id=ends, pad_token_id=pad
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]


def _unusable(model: str, found: str) -> BadInput:
    return BadInput(
        where=model,
        expected="an image-text-to-text model that Transformers knows, with safetensors weights and a chat template",
        found=found,
        remedy="name one such as HuggingFaceTB/SmolVLM-256M-Instruct, or its folder",
    )
