"""The words on screens and in reports: one title and one explanation for each thing, wherever it stands."""

from __future__ import annotations

from xai_core.runs.store import Run
from xai_core.scores.patterns import PATTERNS

TITLES = {
    "explanation_coverage": "Explanation coverage",
    "ground_truth_coverage": "Ground-truth coverage",
    "iou": "IoU",
    "excess_explanation_coverage": "Explanation coverage above chance",
    "excess_ground_truth_coverage": "Ground-truth coverage above chance",
    "excess_iou": "IoU above chance",
    "pointing_game": "Pointing game",
    "energy_inside": "Energy inside",
    "explanation_area": "Explanation area",
    "annotation_area": "Outlined area",
    "annotation_kept": "Outline kept in the frame",
    "stability": "Stability",
    "confidence": "Confidence",
    "positive_probability": "Probability of the positive class",
    "target_probability": "Probability of the explained class",
    "label": "Label",
    "called": "Called",
    "outcome": "Outcome",
    "pattern": "Pattern",
    "split": "Split",
    "target": "Explained class",
    "speaks_for": "Explanation speaks for",
    "missing": "Score",
    "verdict": "Verdict",
    "judged": "Judged",
    "judge_score": "Judge's score",
    "sample_id": "Name",
    "position": "Data set order",
}
HELP = {
    "explanation_coverage": "Share of the explanation region that lies inside the outlined region. 1: it looked "
    "nowhere else.",
    "ground_truth_coverage": "Share of the outlined region that the explanation region covers. 1: it used all of it.",
    "iou": "Overlap of the two regions: what they share over what they cover together. 1: they coincide.",
    "pointing_game": "Whether the strongest evidence lies inside the outlined region.",
    "energy_inside": "Share of all evidence that lies inside the outlined region.",
    "explanation_area": "Share of the model frame that the explanation region takes up.",
    "annotation_area": "Share of the original image that is outlined.",
    "stability": "LIME: how well the five strongest segments survive a bootstrap, 0 to 1. A low figure is a map to "
    "distrust.",
    "confidence": "The largest probability the classifier gave to any class.",
    "label": "The true class, as the data set has it.",
    "called": "What the classifier called it at the operating point.",
    "outcome": "Whether the call at the operating point is the label.",
    "pattern": "Which of eight recurring behaviours the three scores and the call make up.",
    "split": "The part of the data set that the record comes from.",
    "target": "The class that the explanation speaks for.",
    "speaks_for": "Whether the explained class is the one called. Only then can a map say what a call rests on.",
    "missing": "Scored, or why there is no score: nothing is ever counted as 0 for want of a region.",
    "verdict": "What a person decided about the record.",
    "judged": "Whether the call is right, and whether a judge found grounds for it in the map. An opinion: see "
    "Language.",
    "chance": "What the same explanation would score by chance. Random: its region moved to any place. Centre: a disc "
    "of its area in the middle. Others: held against the outlines of other images. A score says something only above "
    "these.",
    "operating_point": "The probability of the positive class from which a record is called positive. Every count, "
    "pattern and sentence follows it.",
    "region_rule": "How a region is taken from a heatmap, so that it can be scored against the outline.",
    "excess": "Mean paired difference score - random chance, with its 95 % bootstrap interval.",
}
MISSING = {
    "scored": "Scored",
    "empty_explanation": "Empty explanation",
    "no_annotation": "No outline",
    "annotation_outside_crop": "Outline outside the frame",
    "both_empty": "Outline and explanation empty",
    "error": "Not explained: error",
}
OUTCOMES = {"right": "Right", "wrong": "Wrong", "unknown": "No label or no answer"}
JUDGED = {
    "correct_high": "Right, judged high",
    "correct_low": "Right, judged low",
    "wrong_high": "Wrong, judged high",
    "wrong_low": "Wrong, judged low",
    "undecided": "Undecided",
}
PATTERN_TITLES = {key: pattern.title for key, pattern in PATTERNS.items()} | {
    "unclassified": "Unclassified",
    "no_explanation": "No explanation",
    "": "No pattern applies",
}
METRICS = {
    "auc": ("AUC", "Probability that a positive image gets a higher probability than a negative one."),
    "average_precision": ("Average precision", "The official ISIC 2016 metric: area under precision over recall."),
    "sensitivity": ("Sensitivity", "Share of the positive images that are called positive."),
    "specificity": ("Specificity", "Share of the negative images that are called negative."),
    "accuracy": ("Accuracy", "Share of the images that are called right."),
    "ece": ("Calibration error", "How far confidences are from the share that is right, on average."),
}
LEVELS = {"random": "a random place", "centre": "a centre disc", "other": "other outlines"}
NO_DIAGNOSIS = "A heatmap shows what moved the classifier. It is no diagnosis, and no proof of a reason."
SYNTHETIC = "Synthetic images, drawn by a program with planted shortcuts. Nothing here is clinical."


def title_of(column: str) -> str:
    """Return what a column is called on the screen."""
    return TITLES.get(column) or column.removeprefix("meta_").replace("_", " ").capitalize()


def help_of(column: str) -> str | None:
    """Return the explanation of a column, None where its name says it all."""
    return HELP.get(column)


def value_of(column: str, value: object) -> str:
    """Return what a value of a column is called on the screen."""
    names = {"outcome": OUTCOMES, "missing": MISSING, "pattern": PATTERN_TITLES, "judged": JUDGED}.get(column, {})
    return names.get(value) or str(value).replace("_", " " if column == "missing" else "_")


def title_of_run(run: Run) -> str:
    """Return what a run is called: explainer and target."""
    from xai_core.explainers import METHODS

    target = {"predicted": "the predicted class", "label": "the label"}.get(
        run.settings["target"], run.settings["target"]
    )
    return f"{METHODS[run.settings['method']].title} for {target}"


def subject_of_run(run: Run) -> str:
    """Return what a run is about: data set, split and classifier."""
    settings = run.settings
    dataset = settings["dataset"].partition("?")[0].rstrip("/").rpartition("/")[2]
    classifier = settings["classifier"].partition("?")[0].rstrip("/").rpartition("/")[2]
    return " · ".join(part for part in (dataset, settings["split"], classifier) if part)


def estimate(value: float | None, low: float | None, high: float | None, *, sign: bool = False) -> str:
    """Return a figure with its 95 % interval as text."""
    if value is None or value != value:
        return "undefined"
    text = f"{value:+.3f}" if sign else f"{value:.3f}"
    if low is None or low != low:
        return text
    return f"{text} ({low:+.2f} to {high:+.2f})" if sign else f"{text} ({low:.2f} to {high:.2f})"


def reasons(undefined: dict[str, int]) -> str:
    """Return how many records lack a score, by reason, as text."""
    return ", ".join(
        f"{count} {MISSING.get(reason, reason.replace('_', ' ')).lower()}" for reason, count in undefined.items()
    )
