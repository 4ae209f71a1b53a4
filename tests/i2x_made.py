"""Evidence made of arrays whose structure is known, without a network."""

from __future__ import annotations

import numpy as np

from xai_core.i2x.evidence import Evidence

CLASSES = ("ring", "bar", "hook", "star")
STEPS = (0, 10, 20, 40, 80, 160, 320)
SPECIAL, OTHER_SPECIAL = 4, 5
UNCERTAIN, GROUND = 6, 7
PAIR = (1, 2)


def made(
    seed: int = 0,
    samples: int = 400,
    *,
    swing: float = 5.0,
    classes: int = 4,
    prototypes: int = 10,
) -> Evidence:
    """Return evidence of a made training.

    Prototype m is carried by all of class m and speaks for it. Prototypes 4 and 5 are carried by one half of class 0
    each, and speak for it. Prototype 6 is carried by some of classes 1 and 2 and speaks now for the one, now for the
    other, by `swing`. Prototype 7 is carried by all samples and speaks for nothing, as do those from 8 on, carried by
    some of all classes but the last, which nobody carries. All intensities grow by half each step, whatever they
    do.
    """
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, samples)
    carried = _carried(generator, labels, prototypes)
    share = carried * generator.uniform(0.1, 0.3, carried.shape)
    share[:, GROUND] = 1 - np.delete(share, GROUND, 1).sum(1).clip(max=0.9)
    share /= share.sum(1, keepdims=True)
    weight = np.zeros((prototypes, classes))
    weight[np.arange(classes), np.arange(classes)] = 1.5
    weight[[SPECIAL, OTHER_SPECIAL], 0] = 1.5
    intensity, logits = [carried * generator.uniform(0.2, 0.4, carried.shape)], [np.zeros((samples, classes))]
    for step in range(len(STEPS) - 1):
        rise = generator.gamma(2.0, 0.3, carried.shape) * carried
        rise[:, GROUND] = 0.1
        side = np.zeros_like(weight)
        if classes > 2:
            side[UNCERTAIN, list(PAIR)] = np.array([swing, -swing]) * (-1) ** step
        logits.append(logits[-1] + rise @ (weight + side) / 2 + generator.normal(0, 0.05, logits[-1].shape))
        intensity.append((intensity[-1] + rise) * 1.5)
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return Evidence(
        STEPS,
        CLASSES[:classes],
        np.array([f"s{k:05d}" for k in range(samples)]),
        labels,
        np.full(samples, "train"),
        share.astype(np.float32),
        np.stack(intensity).astype(np.float32),
        probabilities.astype(np.float32),
    )


def _carried(generator: np.random.Generator, labels: np.ndarray, prototypes: int) -> np.ndarray:
    carried = np.zeros((len(labels), prototypes), bool)
    carried[np.arange(len(labels)), labels] = True
    half = generator.random(len(labels)) < 0.5
    carried[:, SPECIAL] = (labels == 0) & half
    carried[:, OTHER_SPECIAL] = (labels == 0) & ~half
    carried[:, UNCERTAIN] = np.isin(labels, PAIR) & (generator.random(len(labels)) < 0.7)
    carried[:, GROUND] = True
    carried[:, 8:-1] = generator.random((len(labels), max(prototypes - 9, 0))) < 0.5
    return carried


def shuffled_pairing(evidence: Evidence, seed: int) -> Evidence:
    """Return the evidence with every step's confidence changes dealt out anew over the samples.

    Confidences then need not lie between 0 and 1; the changes are those of the evidence, in other samples.
    """
    from dataclasses import replace

    generator = np.random.default_rng(seed)
    dealt = [evidence.confidence[0]]
    for step in range(len(evidence.steps) - 1):
        order = generator.permutation(len(evidence.ids))
        dealt.append(dealt[-1] + evidence.confidence_change(step)[order])
    return replace(evidence, probabilities=np.stack(dealt))
