"""The order in which modules may import each other, and the one home of each third party (DESIGN 4)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "xai_core"
GROUND = {"errors", "types", "geometry", "files", "imagenet_classes", "one_thread", "put_off"}
ABOVE_RUNS = GROUND | {
    "datasets",
    "models",
    "scores",
    "training",
    "explainers",
    "probes",
    "runs",
    "review",
    "jobs",
}
BELOW = {
    **dict.fromkeys(GROUND, GROUND),
    "datasets": GROUND,
    "models": GROUND,
    "scores": GROUND,
    "training": GROUND | {"datasets", "models", "scores"},
    "explainers": GROUND | {"models"},
    "runs": GROUND | {"datasets", "models", "scores", "explainers"},
    "probes": GROUND | {"models", "scores", "explainers"},
    "review": GROUND | {"datasets", "models", "scores", "explainers", "probes", "runs"},
    "release": ABOVE_RUNS - {"jobs"},
    "language": ABOVE_RUNS - {"training", "jobs"},
    "i2x": ABOVE_RUNS - {"jobs"},
    "report": GROUND | {"datasets", "scores", "explainers", "runs", "review", "release", "i2x", "language"},
    "jobs": GROUND,
    "cli": ABOVE_RUNS | {"release", "i2x", "language", "report"},
    "ui": ABOVE_RUNS | {"release", "i2x", "language", "report"},
    "__main__": {"cli"},
    "__init__": set(),
}
HOMES = {
    "streamlit": ("xai_core/ui/", "pages/", "app.py"),
    "torch": (
        "xai_core/models/",
        "xai_core/training/",
        "xai_core/explainers/",
        "xai_core/probes/",
        "xai_core/runs/pipeline.py",
        "xai_core/i2x/",
        "xai_core/language/transformers_judge.py",
    ),
    "timm": ("xai_core/models/", "xai_core/training/"),
    "torchvision": ("xai_core/models/", "xai_core/training/"),
    "cv2": (
        "xai_core/geometry.py",
        "xai_core/datasets/",
        "xai_core/review/",
        "xai_core/language/views.py",
        "xai_core/report/",
    ),
    "PIL": (
        "xai_core/geometry.py",
        "xai_core/datasets/",
        "xai_core/review/",
        "xai_core/language/views.py",
        "xai_core/language/transformers_judge.py",
        "xai_core/report/",
    ),
    "transformers": ("xai_core/language/transformers_judge.py",),
    "httpx2": ("xai_core/language/openai_judge.py",),
    "matplotlib": ("xai_core/training/", "xai_core/report/"),
}
ONE_ADAPTER = ("pytorch_grad_cam", "lime", "captum", "loky")
HEAVY = {"torch", "torchvision", "timm", "pandas", "sklearn", "scipy", "skimage", "cv2", "PIL", "matplotlib", "pyarrow"}
HEAVY |= {"transformers"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@cache
def imports(path: Path, *, top_only: bool = False) -> tuple[str, ...]:
    """Return the dotted names that a file imports when it runs: imports for type checking alone are left out."""
    return tuple(_imports(ast.parse(path.read_text(encoding="utf-8")), top_only))


def _imports(tree: ast.Module, top_only: bool) -> Iterator[str]:
    nodes = tree.body if top_only else ast.walk(tree)
    skipped = {id(node) for block in ast.walk(tree) if _type_checking(block) for node in ast.walk(block)}
    for node in nodes:
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            if node.module == "xai_core":
                yield from (f"xai_core.{alias.name}" for alias in node.names)


def _type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def area(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path):
    allowed = BELOW[area(path)] | {area(path)}
    for name in imports(path):
        if name.startswith("xai_core."):
            assert name.split(".")[1] in allowed | {"__version__"}, f"{path} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_third_parties_stay_at_home(path):
    place = path.relative_to(ROOT).as_posix()
    for name in imports(path):
        homes = HOMES.get(name.split(".")[0])
        assert homes is None or place.startswith(homes), f"{place} imports {name}, whose home is {homes}"


@pytest.mark.parametrize("package", ONE_ADAPTER)
def test_one_adapter_each(package):
    users = {str(p.relative_to(ROOT)) for p in modules() if any(n.split(".")[0] == package for n in imports(p))}
    assert len(users) <= 1, users


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_imports_are_inside_functions(path):
    assert not {name.split(".")[0] for name in imports(path, top_only=True)} & HEAVY


def test_scores_import_no_arrays_at_the_top():
    for path in (PACKAGE / "scores").glob("*.py"):
        assert not {"numpy", "torch"} & {name.split(".")[0] for name in imports(path, top_only=True)}, path


def test_modules_are_short():
    too_long = {str(p.relative_to(ROOT)): n for p in modules() if (n := len(p.read_text().splitlines())) > 300}
    assert not too_long
