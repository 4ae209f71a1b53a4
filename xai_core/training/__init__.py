"""Training: from a data set and a recipe to a model folder. Nothing here imports torch until it trains."""

from xai_core.training.door import train
from xai_core.training.pathways import OVER_TWO, PATHWAYS, follow
from xai_core.training.recipe import Recipe

__all__ = ["OVER_TWO", "PATHWAYS", "Recipe", "follow", "train"]
