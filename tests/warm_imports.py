"""What our commands import, for the process that warm.py forks them from."""

import importlib

from xai_core.models.architectures import import_timm

import_timm()
for name in (
    "cv2",
    "joblib",
    "loky",
    "pandas",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "runs_fixtures",
    "skimage.segmentation",
    "sklearn.cluster",
    "training_fixtures",
    "xai_core.cli",
    "xai_core.explainers.lime",
    "xai_core.i2x.mend",
    "xai_core.release.pathways",
    "xai_core.runs.pipeline",
):
    importlib.import_module(name)
