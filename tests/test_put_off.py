"""Modules that are put off are there for whoever uses them, and are not imported for whoever does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from xai_core.put_off import later, standing_in

RARE = "plistlib"  # of the standard library

PACKAGE = """
import sys
import numpy as np
from xai_core.explainers import grad_cam_package

package, _ = grad_cam_package._package()
seen = {name.partition(".")[0] for name in sys.modules}
assert not seen & {"matplotlib", "sklearn", "scipy"}, seen & {"matplotlib", "sklearn", "scipy"}

from pytorch_grad_cam.feature_factorization.deep_feature_factorization import dff
from pytorch_grad_cam.utils.image import Line2D, plt
from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection_kernel

maps = np.random.default_rng(0).random((1, 4, 3, 3))
projected = get_2d_projection_kernel(maps)
_, factors = dff(maps, 2)
assert projected.shape == (1, 3, 3) and np.isfinite(projected).all() and factors.shape == (1, 2, 3, 3)
assert plt.rcParams["figure.dpi"] > 0 and Line2D([0], [0], lw=3).get_linewidth() == 3
import matplotlib.lines, sklearn.decomposition
assert isinstance(sklearn.decomposition.KernelPCA, type) and isinstance(matplotlib.lines.Line2D, type)
"""


@pytest.fixture
def unseen(monkeypatch):
    """Return the name of a module that this process has not imported, as far as it knows."""
    monkeypatch.delitem(sys.modules, RARE, raising=False)
    yield RARE
    sys.modules.pop(RARE, None)


def test_what_is_taken_from_a_stand_in_imports_the_module_when_it_is_used(unseen):
    with standing_in(later(unseen)):
        import plistlib as stand_in
        from plistlib import FMT_XML, dumps
    assert unseen not in sys.modules
    assert dumps({"a": 1}).startswith(b"<?xml")
    import plistlib

    assert sys.modules[unseen] is plistlib is not stand_in
    assert FMT_XML.name == "FMT_XML" and stand_in.loads(plistlib.dumps([2])) == [2]
    with pytest.raises(AttributeError, match="nothing"):
        stand_in.nothing()


def test_what_is_imported_already_stays():
    import json

    with standing_in(later("json")):
        import json as within
    assert within is json is sys.modules["json"]


def test_an_import_that_fails_leaves_no_stand_in(unseen):
    with pytest.raises(ImportError), standing_in(later(unseen)):
        raise ImportError
    assert unseen not in sys.modules


def test_the_grad_cam_package_is_whole_without_what_it_imports_for_its_figures():
    subprocess.run([sys.executable, "-W", "error", "-c", PACKAGE], check=True)
