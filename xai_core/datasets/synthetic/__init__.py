"""Synthetic dermoscopy: seeded pictures of moles and melanomas that never were, with the truth about each.

Cartoons, not patients: the label follows from the ABCD rule over what was drawn, artefacts owe nothing to it, and one
artefact is a planted shortcut. For demonstrations and tests of explanations; not for any clinical purpose.
"""

from xai_core.datasets.synthetic.files import COLUMNS, SEED, N, write
from xai_core.datasets.synthetic.patch import add_patch
from xai_core.datasets.synthetic.rule import abcd_score
from xai_core.datasets.synthetic.scene import SIZE, SyntheticImage, draw, generate

__all__ = ["COLUMNS", "SEED", "SIZE", "N", "SyntheticImage", "abcd_score", "add_patch", "draw", "generate", "write"]
