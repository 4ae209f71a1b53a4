"""The main job: explain every sample of a data set and keep the result as runs, one for each target policy."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.errors import BadInput
from xai_core.files import exclusive, read_json
from xai_core.runs import records, scoring
from xai_core.runs.engines import local
from xai_core.runs.prepare import Preparation, Prepared, cache_folder
from xai_core.runs.refusals import check_empty, check_numbers, check_targets, checked_target
from xai_core.runs.settings import choose, class_places, default_threads, folder_name, positive_place, versions
from xai_core.runs.store import Run, RunWriter
from xai_core.types import DataSet

if TYPE_CHECKING:
    import torch

    from xai_core.explainers import Description, Explanation
    from xai_core.models import Classifier

    _Answer = tuple[list[Explanation], int] | str

# problems of the lists that cost a sample its record; `check` lists them
LEAVES_OUT = ("file_missing", "path_outside", "duplicate")


def explain_dataset(
    dataset: DataSet,
    classifier: Classifier,
    method: str,
    out: str | Path,
    *,
    targets: Sequence[str] = ("predicted",),
    split: str = "",
    limit: int | None = None,
    sample_seed: int = 0,
    parameters: dict | None = None,
    threshold: float = 0.5,
    seed: int = 0,
    batch_size: int | str = 16,
    threads: int | None = None,
    part_size: int = 256,
    workers: int = 2,
    resume: bool = False,
    model: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> list[Run]:
    """Return the finished and scored runs, one for each target policy, made in one pass.

    Parameters
    ----------
    dataset, classifier : DataSet, Classifier
        The data set's class names must be among the classifier's.
    method : str
        A key of `explainers.METHODS`.
    out : path
        The run's folder; with several targets the folder of the sibling runs.
    targets : sequence of str
        ``predicted``, ``label`` or a class name.
    split, limit, sample_seed
        Which samples (`settings.choose`).
    threshold : float
        Probability of the positive class from which a sample is called positive.
    batch_size : int or 'auto'
        The one shape that every pass through the network has; 'auto' measures, and what it chose is recorded.
    threads : int, optional
        Of the process that runs the network; all that this process may use by default.
    part_size, workers
        How the work is cut and spread: samples in a part, processes that prepare images.
    resume : bool
        Go on with what is in `out`.
    model : str
        What named the classifier; recorded.
    progress : callable, optional
        Called with (samples done, samples in all).

    Raises
    ------
    BadInput
        Unknown classes, targets, methods or parameters; no samples; a folder that is in use or holds other settings.

    Notes
    -----
    A sample that cannot be read, or has no label where the target is the label, becomes a record with status
    ``error``; the run goes on. The content of a run depends on its settings alone (SPEC.md).
    """
    import torch

    check_numbers(limit=limit, batch_size=batch_size, threads=threads, part_size=part_size)
    check_targets(targets)
    samples = choose(dataset, split, limit, sample_seed)
    folders = [Path(out)] if len(targets) == 1 else [Path(out) / folder_name(target) for target in targets]
    began = _began(folders[0]) if resume else {}
    shape = began.get("batch_size", 0) if batch_size == "auto" else batch_size
    torch.set_num_threads(threads := threads or began.get("threads") or default_threads())
    step = Step(
        classifier,
        dataset,
        method,
        parameters or {},
        targets,
        threshold=threshold,
        seed=seed,
        batch_size=shape or classifier.fastest_batch_size(),
        threads=threads,
    )
    for folder in folders:
        if not (folder / "settings.json").exists():
            check_empty(folder)
    with ExitStack() as stack:
        for folder in folders:
            stack.enter_context(exclusive(folder))
        chosen = {"split": split, "limit": limit, "sample_seed": sample_seed, "classifier": model}
        writers = [
            RunWriter(
                folder,
                step.settings | chosen | {"target": target, "dataset_root": os.path.relpath(dataset.root, folder)},
                resume=resume,
            )
            for folder, target in zip(folders, targets, strict=True)
        ]
        left = [sample for sample in samples if any(sample.id not in writer.done for writer in writers)]
        before = len(samples) - len(left)
        local.run(
            step,
            left,
            step.preparation,
            writers,
            part_size=part_size,
            workers=workers,
            progress=progress and (lambda done: progress(before + done, len(samples))),
        )
        left_out = dict(Counter(p.kind for p in dataset.problems if p.kind in LEAVES_OUT))
        runs = [writer.finish(left_out) for writer in writers]
        for run in runs:
            scoring.score(run, workers=workers)
    return runs


class Step:
    """Explains one batch of prepared samples for every target: prepared samples in, rows of SPEC.md out.

    The batch that the network sees has one shape always: the last one is padded with repeats of its first frame.
    """

    def __init__(
        self,
        classifier: Classifier,
        dataset: DataSet,
        method: str,
        parameters: dict,
        targets: Sequence[str],
        *,
        threshold: float,
        seed: int,
        batch_size: int,
        threads: int,
    ) -> None:
        self.classifier, self.dataset, self.batch_size = classifier, dataset, batch_size
        self.names = classifier.class_names
        self.places = class_places(dataset, classifier)
        self.positive = positive_place(dataset, self.places, len(self.names))
        self.method, self.seed, self.threshold = method, seed, threshold
        description = _described(method)
        self.parameters, self.rule = description.settle(parameters), description.default_rule
        self.layer = self.parameters.get("layer", "") or classifier.cam_layer if "layer" in self.parameters else None
        self.targets = [checked_target(target, self.names) for target in targets]
        self.positions = {sample.id: place for place, sample in enumerate(dataset.samples)}
        # a method that perturbs passes each image through the network hundreds of times: few at once, so that progress
        # is seen and little is lost when the process dies
        self.images = min(batch_size, 4) if description.segmentation else batch_size
        self.preparation = Preparation(classifier.preprocessing.frame, description.segmentation, cache_folder())
        self.settings = self._settings(threads)
        self._provenance = {
            "method": method,
            "parameters": json.dumps(self.parameters, sort_keys=True),
            "layer": self.layer,
            "seed": seed,
            "classifier_digest": classifier.digest,
            "versions": json.dumps(versions(), sort_keys=True),
        }

    def _settings(self, threads: int) -> dict:
        dataset, classifier = self.dataset, self.classifier
        return {
            "dataset": dataset.spec,
            "class_names": list(self.names),
            "positive": None if self.positive is None else self.names[self.positive],
            "bands": dataset.bands,
            "clinical": dataset.clinical,
            "synthetic": dataset.synthetic,
            "classifier_digest": classifier.digest,
            "frame": classifier.preprocessing.frame.as_dict(),
            "method": self.method,
            "parameters": self.parameters,
            "layer": self.layer,
            "threshold": None if self.positive is None else self.threshold,
            "operating_points": {} if self.positive is None else classifier.operating_points,
            "region_rule": self.rule,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "precision": classifier.precision,
            "device": classifier.device.type,
            "threads": threads,
            "versions": versions(),
        }

    def __call__(self, batch: Sequence[Prepared]) -> list[list[dict]]:
        """Return for each target the rows of the batch, in its order."""
        answers = self._answers([prepared for prepared in batch if not prepared.error])
        return [
            [self._row(prepared, place, answers.get(prepared.sample.id)) for prepared in batch]
            for place in range(len(self.targets))
        ]

    def _answers(self, usable: Sequence[Prepared]) -> dict[str, _Answer]:
        """Return for each sample id the explanations and its place in them, or why there are none."""
        if not usable:
            return {}
        try:
            explanations = self._explain(usable)
        except FloatingPointError as error:
            if len(usable) == 1:
                return {usable[0].sample.id: str(error)}
            # one image's numbers are no reason to lose the others of its batch
            return {name: answer for one in usable for name, answer in self._answers([one]).items()}
        return {prepared.sample.id: (explanations, place) for place, prepared in enumerate(usable)}

    def _explain(self, usable: Sequence[Prepared]) -> list[Explanation]:
        from xai_core.explainers import explain

        padded = [*usable, *[usable[0]] * (self.batch_size - len(usable))]
        frames = np.stack([prepared.frame for prepared in padded])
        labels = np.array([self._label(prepared) for prepared in usable])
        segments = None if padded[0].segments is None else np.stack([prepared.segments for prepared in padded])
        return explain(
            self.classifier,
            self.classifier.normalise(frames),
            [lambda probabilities, t=target: self._target(t, probabilities, labels) for target in self.targets],
            self.method,
            parameters=self.parameters,
            image_hashes=[prepared.image_hash for prepared in padded],
            frames=frames,
            segments=segments,
            seed=self.seed,
            valid=len(usable),
        )

    def _target(self, target: str | int, probabilities: torch.Tensor, labels: np.ndarray) -> torch.Tensor:
        import torch

        from xai_core.scores.metrics import called

        if not bool(torch.isfinite(probabilities).all()):
            raise FloatingPointError("the network's probabilities are not finite")
        if target == "predicted":
            return called(probabilities, self.positive, self.threshold)
        # an unlabelled sample is explained for class 0 to keep the batch whole; its row is an error
        indices = np.maximum(labels, 0) if target == "label" else np.full(len(labels), target)
        return torch.as_tensor(indices, dtype=torch.int64, device=probabilities.device)

    def _label(self, prepared: Prepared) -> int:
        label = prepared.sample.label
        return -1 if label is None else self.places[label]

    def _row(self, prepared: Prepared, target: int, answer: _Answer | None) -> dict:
        label = self._label(prepared)
        row = records.of_sample(prepared, self.positions[prepared.sample.id], self.dataset.root, label, self.names)
        row |= self._provenance
        if answer is None or isinstance(answer, str):
            # without the folder's own name: the same data elsewhere give the same record
            reason = (answer or prepared.error).replace(f"{self.dataset.root}/", "")
            return row | {"status": "error", "error": reason}
        if self.targets[target] == "label" and label < 0:
            return row | {"status": "error", "error": "no label, which is the target asked for"}
        explanations, place = answer
        return row | {"status": "ok", "error": ""} | records.of_explanation(explanations[target], place, self.names)


def _described(method: str) -> Description:
    from xai_core.explainers import METHODS

    if method not in METHODS:
        raise BadInput(where="method", expected=", ".join(METHODS), found=repr(method), remedy="choose one of them")
    return METHODS[method]


def _began(folder: Path) -> dict:
    stored = folder / "settings.json"
    return read_json(stored) if stored.exists() else {}
