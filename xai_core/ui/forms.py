"""Forms made from what explainers, recipes and data sets say of themselves; each gives the command it stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace

import streamlit as st

from xai_core.datasets import FORMATS, open_dataset
from xai_core.errors import BadInput
from xai_core.explainers import METHODS, Description
from xai_core.files import read_json
from xai_core.review.words import HELP
from xai_core.runs.refusals import checked_target
from xai_core.runs.settings import class_places
from xai_core.training import Recipe
from xai_core.types import SPLITS, DataSet
from xai_core.ui.setting import setting

SAMPLE_MODELS = Path(__file__).resolve().parents[2] / "sample_data" / "models"
COMMON = ("arch", "pathway", "epochs", "batch_size", "augmentation", "lr")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
ALL = "all"


@dataclass(frozen=True)
class Order:
    """A command that may be started: its arguments, and what people call it."""

    arguments: list[str]
    title: str


def explain_form(taken: set[str]) -> Order | None:
    """Return the command that explains a data set as the widgets say; None, with the reasons drawn, where it cannot.

    Parameters
    ----------
    taken : set of str
        Folders that jobs write to.
    """
    faults: list[BadInput] = []
    spec, dataset = _data_set("explain", faults)
    model, class_names = _classifier(dataset, faults)
    method = st.selectbox(
        "Method",
        list(METHODS),
        format_func=lambda name: METHODS[name].title,
        key="method",
        help="The explainer: what makes a heatmap of an image and a class.",
    )
    described = METHODS[method]
    st.caption(" · ".join([described.paper, *_remarks(described)]), help=HELP["region_rule"])
    given = _parameters(method, described)
    targets = _targets(class_names, faults)
    which = _which(dataset)
    name = _name("explain", "runs", f"{_slug(spec)}-{method}", taken, faults)
    if faults:
        return None
    flags = {"model": model, "method": method, "target": ",".join(targets), **which, "out": f"runs/{name}"}
    arguments = [*_flags(flags), *(f"--set={key}={value}" for key, value in given.items())]
    return Order(["explain", spec, *arguments], f"{described.title} on {spec}")


def train_form(taken: set[str]) -> Order | None:
    """Return the command that trains a classifier as the widgets say; None, with the reasons drawn, where it cannot.

    `taken` is as for `explain_form`.
    """
    faults: list[BadInput] = []
    spec, _ = _data_set("train", faults)
    described = {field.name: field for field in fields(Recipe)}
    values = _recipe([described[name] for name in COMMON])
    with st.expander("More settings"):
        values |= _recipe([field for name, field in described.items() if name not in COMMON])
    with checking(faults):
        _refuse_code("Network", values["arch"])
        Recipe(**values)
    name = _name("train", "models", f"{_slug(spec)}-{_slug(values['arch'])}", taken, faults)
    if faults:
        return None
    changed = {name: value for name, value in values.items() if value != described[name].default}
    return Order(["train", spec, *_flags(changed | {"out": f"models/{name}"})], f"{values['arch']} on {spec}")


@contextmanager
def checking(faults: list[BadInput]) -> Iterator[None]:
    """Draw, and note, why something cannot be used."""
    try:
        yield
    except BadInput as error:
        faults.append(error)
        refusal(error)


def refusal(error: BadInput) -> None:
    """Draw why something cannot be used, and what to do."""
    where, expected, found, remedy = map(_plain, (error.where or "", error.expected, error.found, error.remedy))
    place = f"**{where}**: expected" if where else "Expected"
    st.error(f"{place} {expected}; found {found}. To mend it: {remedy}.", icon=":material/error:")


@st.cache_resource(ttl=60, max_entries=4, show_spinner="Reading the data set's lists ...")
def _open(spec: str) -> DataSet:
    return open_dataset(spec)


def _data_set(form: str, faults: list[BadInput]) -> tuple[str, DataSet | None]:
    formats = [
        f"- {about.title}" + "".join(f"; `?{k}=` {v}" for k, v in about.options.items()) for about in FORMATS.values()
    ]
    spec = st.text_input(
        "Data set",
        "sample",
        key=f"{form}_data",
        placeholder="isic2016:/data/isic2016",
        help="FORMAT:PATH on this machine.\n\n" + "\n".join(formats),
    ).strip()
    with checking(faults):
        dataset = _open(spec)
        st.caption(_summary(dataset))
        return spec, dataset
    return spec, None


def _summary(dataset: DataSet) -> str:
    counts = dataset.count("split")
    parts = ", ".join(f"{name or 'no split'} {counts[name]:,}" for name in _in_order(counts))
    outlined = sum(sample.annotation is not None for sample in dataset.samples)
    names = dataset.class_names
    classes = _plain(", ".join(names)) if len(names) < 5 else f"{len(names):,} classes"
    problems = f" · {len(dataset.problems):,} problems, which `check` lists" if dataset.problems else ""
    return f"{len(dataset):,} images ({_plain(parts)}) · {outlined:,} outlined · {classes}{problems}"


def _in_order(splits: Iterable[str]) -> list[str]:
    return sorted(splits, key=lambda name: (SPLITS.index(name) if name in SPLITS else len(SPLITS), name))


def _classifier(dataset: DataSet | None, faults: list[BadInput]) -> tuple[str, tuple[str, ...]]:
    """Return what names the classifier, and its classes; those of the data set where only loading it would tell."""
    model = st.selectbox(
        "Classifier",
        _models(),
        key="model",
        accept_new_options=True,
        help="A folder that training made, or type one, or a timm network: `timm:resnet50?classes=imagenet`.",
    )
    of_data = dataset.class_names if dataset else ()
    with checking(faults):
        _refuse_code("Classifier", model or "")
        if model and model.startswith("timm:"):
            return model, of_data
        card = Path((model or "").partition("?")[0]) / "card.json"
        if not card.is_file():
            raise _bad(model or "Classifier", "a folder that training made", "no card.json there", "check the path")
        names = tuple(read_json(card).get("class_names", ()))
        if dataset:
            class_places(dataset, SimpleNamespace(class_names=names))
        return model, names
    return model or "", of_data


def _models() -> list[str]:
    """Return the model folders at hand, those of the working directory first."""
    own = [str(card.parent) for card in sorted(Path("models").glob("*/card.json"))]
    shipped, here = [card.parent for card in sorted(SAMPLE_MODELS.glob("*/card.json"))], Path.cwd()
    return own + [str(folder.relative_to(here) if folder.is_relative_to(here) else folder) for folder in shipped]


def _remarks(described: Description) -> list[str]:
    remarks = {
        "values for and against": described.signed,
        "the same map for every class": described.class_agnostic,
        f"region rule {described.default_rule}": True,
    }
    return [remark for remark, holds in remarks.items() if holds]


def _parameters(method: str, described: Description) -> dict[str, object]:
    """Return the parameters that differ from their defaults."""
    values = {}
    for name, about in described.parameters.items():
        value = setting(name, about.default, about.help, about.low, about.high, key=f"{method}_{name}")
        if value != about.default:
            values[name] = value
    return values


def _recipe(described: list) -> dict[str, object]:
    """Return what the widgets of a recipe's fields hold, two in a row."""
    values = {}
    for first in range(0, len(described), 2):
        for column, field in zip(st.columns(2), described[first : first + 2], strict=False):
            with column:
                values[field.name] = setting(field.name, field.default, key=f"recipe_{field.name}", **field.metadata)
    return values


def _targets(class_names: tuple[str, ...], faults: list[BadInput]) -> list[str]:
    targets = st.multiselect(
        "Explained class",
        ["predicted", "label", *class_names],
        default=["predicted"],
        key="targets",
        help="The class that a map speaks for: the one predicted, the label, or always the same. Each makes one run.",
    )
    with checking(faults):
        if not targets:
            raise _bad("Explained class", "at least one", "none", "choose one")
        for target in targets:
            checked_target(target, class_names)
    return targets


def _which(dataset: DataSet | None) -> dict[str, object]:
    """Return which samples to explain, and from where one is called positive, as far as the defaults are left."""
    splits = [name for name in _in_order(dataset.count("split")) if name] if dataset else []
    first, second, third = st.columns(3)
    split = first.selectbox(
        "Split",
        [*splits, ALL],
        splits.index("test") if "test" in splits else 0,
        key="split" if splits else "no_split",
        help="The part of the data set. Images that a classifier was trained on say little about it.",
    )
    limit = second.number_input(
        "At most",
        min_value=1,
        value=None,
        placeholder="no limit",
        key="limit",
        help="Explain so many images only: drawn at random, but always the same.",
    )
    threshold = third.number_input(
        "Called positive from",
        0.0,
        1.0,
        0.5,
        0.01,
        "%g",
        key="called_from",
        help="With two classes: the probability of the positive one from which a sample is called positive. It decides "
        "which class `predicted` explains.",
    )
    given = {"split": "" if split == ALL else split, "limit": limit, "threshold": threshold}
    return {name: value for name, value in given.items() if value not in ("", None, 0.5)}


def _name(form: str, home: str, proposed: str, taken: set[str], faults: list[BadInput]) -> str:
    used = {Path(folder).name for folder in taken if Path(folder).parent == Path(home)}
    used |= {path.name for path in Path(home).glob("*")}
    proposals = (proposed if k == 1 else f"{proposed}-{k}" for k in range(1, len(used) + 2))
    free = next(name for name in proposals if name not in used)
    name = (
        st.text_input("Name", key=f"{form}_name", placeholder=free, help=f"The folder below {home}/.").strip() or free
    )
    with checking(faults):
        if not NAME.fullmatch(name):
            raise _bad("Name", "letters, digits, dots, dashes and underscores", repr(name), "choose another")
        if name in used:
            raise _bad(f"{home}/{name}", "a free name", "one that is taken", "choose another, or leave it empty")
    return name


def _refuse_code(where: str, spec: str) -> None:
    if spec.startswith("import:"):
        raise _bad(where, "a network without code of its own", spec, "start it from the command line")


def _flags(values: dict[str, object]) -> list[str]:
    flags = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        flags.append(f"--{'' if value else 'no-'}{flag}" if isinstance(value, bool) else f"--{flag}={value}")
    return flags


def _slug(spec: str) -> str:
    kind, _, path = spec.partition("?")[0].partition(":")
    return re.sub(r"[^A-Za-z0-9_]+", "-", Path(path).stem or kind).strip("-_").lower() or "unnamed"


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#$~|:])", r"\\\1", text)


def _bad(where: str, expected: str, found: str, remedy: str) -> BadInput:
    return BadInput(where=where, expected=expected, found=found, remedy=remedy)
