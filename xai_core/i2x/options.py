"""Every choice of the analysis that the paper leaves open, described so that flags and forms can be made from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from xai_core.training.recipe import check_settings, setting

READINGS = ("cluster_means", "within_groups")
SCALES = ("usual_change", "none")


@dataclass(frozen=True)
class Options:
    """How a track is analysed; the same options, track and package versions give the same structure.

    Each field's metadata hold ``help``, and ``low``, ``high`` or ``choices`` where they apply.

    Raises
    ------
    BadInput
        Where a value is outside its range.
    """

    reading: str = setting(
        "cluster_means",
        "what the ridge is fitted on: the means of clusters of confidence changes, or the samples within each cluster",
        choices=READINGS,
    )
    ridge: float = setting(1.0, "lambda of the ridge", low=1e-9, high=1e9)
    scale: str = setting(
        "usual_change",
        "unit of an intensity change in the ridge's penalty: the usual change of its prototype in that step, so that "
        "lambda means the same for every classifier and step, or none: the formula as published",
        choices=SCALES,
    )
    cluster_limit: int = setting(10_000, "samples that HDBSCAN sees; the others join the nearest", low=20)
    cluster_share: float = setting(0.01, "smallest cluster, as a share of those samples", low=0.0, high=0.5)
    cluster_least: int = setting(5, "smallest cluster, in samples", low=2)
    neighbours: int = setting(5, "samples, itself one, by which HDBSCAN measures density", low=1)
    notable_quantile: float = setting(
        0.25, "steps that move less confidence than this quantile of all steps are skipped", low=0.0, high=0.99
    )
    notable_least: float = setting(
        0.002,
        "share of a sample's confidence that a step moves in the mean, or it is skipped",
        low=0.0,
        high=1.0,
    )
    presence: float = setting(0.05, "share of its places from which a sample carries a prototype", low=0.0, high=1.0)
    in_all: float = setting(0.95, "share of a class from which all of it carries a prototype", low=0.5, high=1.0)
    in_subset: float = setting(
        0.8,
        "share of a subset of a class from which the subset carries a prototype; the rest of the class does up to the "
        "complement",
        low=0.5,
        high=1.0,
    )
    subset_least: float = setting(
        0.1, "share of a class that a subset of it is at the least, and the rest of it too", low=0.0, high=0.5
    )
    subsets: int = setting(4, "most subsets that a class is split into", low=2, high=50)
    consistency: float = setting(
        0.8, "share of a prototype's pull on a class, over the steps, that has to be for it", low=0.5, high=1.0
    )
    tau: float = setting(
        0.01, "smallest pull that counts: confidence moved by a usual change of intensity", low=0.0, high=1.0
    )
    pairs: int = setting(45, "pairs of classes looked at for uncertain prototypes, the most confused first", low=1)
    permutations: int = setting(200, "permuted pairings that make up the null of the uncertain test", low=19)
    level: float = setting(0.05, "p from which on a prototype is called uncertain", low=0.0, high=1.0)
    resamples: int = setting(200, "bootstrap resamples of the samples behind each interval", low=20)
    repeats: int = setting(5, "random halves of the samples, clustered anew, that tell how stable signs are", low=1)
    seed: int = setting(0, "of every draw", low=0)

    def __post_init__(self) -> None:
        check_settings(self)

    def as_dict(self) -> dict:
        """Return the fields as plain JSON values."""
        return asdict(self)
