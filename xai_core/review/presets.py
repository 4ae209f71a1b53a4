"""Queries that others have asked before: the figures of the Shared Interest article (VISxAI 2020; METHODS 1)."""

from __future__ import annotations

from dataclasses import dataclass

from xai_core import imagenet_classes
from xai_core.review.queries import Among, Query
from xai_core.review.records import RIGHT, WRONG, Records, once


@dataclass(frozen=True)
class Figure:
    """A figure of the article as a query on one's own run, and what the authors saw in it."""

    number: int
    seen: str
    query: Query


@once
def figures(records: Records) -> list[Figure]:
    """Return the figures that a run can show: 3 to 5 for runs with vehicles, 6 to 8 for those of lesions.

    Figures 3 and 4 show jeeps in the article; here, the vehicle class with most right calls.
    """
    if records.run.settings["bands"] == "lesions" and {"benign", "malignant"} <= set(records.table["label"].dropna()):
        return _of_lesions()
    names = imagenet_classes.names()
    vehicles = sorted(set(records.table["label"].dropna()) & {names[place] for place in imagenet_classes.VEHICLES})
    return _of_vehicles(records, vehicles) if vehicles else []


def _of_lesions() -> list[Figure]:
    right, wrong = Among((RIGHT,)), Among((WRONG,))
    return [
        Figure(6, "Right, and on the lesion.", Query({"outcome": right}, "iou", True)),
        Figure(
            7,
            "Melanomas missed: the explanation lies on peripheral skin.",
            Query({"label": Among(("malignant",)), "outcome": wrong}, "ground_truth_coverage"),
        ),
        Figure(
            8,
            "Benign and right, by dermatological tools that occur with benign lesions only.",
            Query({"label": Among(("benign",)), "outcome": right}, "explanation_coverage"),
        ),
    ]


def _of_vehicles(records: Records, vehicles: list[str]) -> list[Figure]:
    right, wrong = Among((RIGHT,)), Among((WRONG,))
    known = records.table[records.table["label"].isin(vehicles) & (records.table["outcome"] == RIGHT)]
    tally = known["label"].astype(str).value_counts()
    found = []
    if len(tally):
        best = Among((min(tally.index, key=lambda name: (-tally[name], name)),))
        found = [
            Figure(3, "Close agreement with the box.", Query({"label": best, "outcome": right}, "iou", True)),
            Figure(
                4, "Right from wheels or body, or from something else.", Query({"label": best, "outcome": right}, "iou")
            ),
        ]
    every = Query({"label": Among(tuple(vehicles)), "outcome": wrong}, "explanation_coverage")
    return [*found, Figure(5, "A second object in the picture was named.", every)]
