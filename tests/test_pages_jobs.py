"""The page that starts runs: what its forms make of descriptions and mistakes, and what two browsers see of a job."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
from browser_fixtures import free_port
from streamlit.testing.v1 import AppTest  # noqa: TID251
from test_jobs import busy, ended
from test_ui_server import COMMANDS, environment, started

from xai_core import cli, jobs
from xai_core.explainers import METHODS
from xai_core.training import Recipe
from xai_core.ui.setting import setting

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "pages" / "jobs.py"
MODEL = str(ROOT / "sample_data/models/demo")
EXPLAIN, TRAIN = 0, 1


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for job in jobs.all():
        job.cancel(grace=0)


@pytest.fixture
def at() -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not app.exception
    assert not app.error
    return app


def commands(app: AppTest) -> list[list[str]]:
    """Return the command lines shown, as a shell would split them."""
    assert not app.exception
    return [shlex.split(code.value) for code in app.code if code.value.startswith("python -m xai_core")]


def starts(app: AppTest) -> list[bool]:
    """Return which of the two buttons can be pressed."""
    return [not button.disabled for button in app.button if button.label == "Start"]


def test_the_page_as_it_opens_can_start_both(at):
    explain, train = commands(at)
    assert explain == [
        *["python", "-m", "xai_core", "explain", "sample", f"--model={MODEL}", "--method=grad_cam"],
        *["--target=predicted", "--split=test", "--out=runs/sample-grad_cam"],
    ]
    assert train == ["python", "-m", "xai_core", "train", "sample", "--out=models/sample-mobilenetv2_100"]
    assert starts(at) == [True, True]

    assert [info.value for info in at.info] == ["No job yet."]


@pytest.mark.parametrize("method", METHODS)
def test_each_method_shows_its_own_parameters(at, method):
    at.selectbox(key="method").set_value(method).run()
    shown = {
        w.key for w in (*at.text_input, *at.number_input) if w.key.split("_")[0] not in ("explain", "train", "recipe")
    }
    assert shown - {"limit", "called_from"} == {f"{method}_{name}" for name in METHODS[method].parameters}
    assert any(METHODS[method].paper in caption.value for caption in at.caption)
    assert f"--method={method}" in commands(at)[EXPLAIN]


def test_what_is_changed_reaches_the_command_and_nothing_else(at):
    at.selectbox(key="method").set_value("lime").run()
    at.number_input(key="lime_num_samples").set_value(50)
    at.multiselect(key="targets").set_value(["predicted", "malignant"])
    at.number_input(key="limit").set_value(4)
    at.selectbox(key="split").set_value("all")
    at.number_input(key="called_from").set_value(0.3)
    at.text_input(key="explain_name").set_value("mine").run()
    assert commands(at)[EXPLAIN][4:] == [
        *["sample", f"--model={MODEL}", "--method=lime", "--target=predicted,malignant", "--limit=4"],
        *["--threshold=0.3", "--out=runs/mine", "--set=num_samples=50"],
    ]


def test_a_recipe_reaches_the_command_that_the_command_line_understands(at, monkeypatch):
    at.text_input(key="recipe_arch").set_value("test_resnet")
    at.selectbox(key="recipe_pathway").set_value("scratch")
    at.number_input(key="recipe_epochs").set_value(3)
    at.number_input(key="recipe_lr").set_value(0.003)
    at.toggle(key="recipe_class_weights").set_value(False).run()
    arguments = commands(at)[TRAIN][3:]
    options = {}
    monkeypatch.setattr("xai_core.cli.train.run", lambda parsed: options.update(vars(parsed)) or 0)
    assert cli.main(arguments) == 0
    given = {field.name: options[field.name] for field in fields(Recipe)}
    changed = {"arch": "test_resnet", "pathway": "scratch", "epochs": 3, "lr": 0.003, "class_weights": False}
    assert given == Recipe().as_dict() | changed
    assert options["out"] == "models/sample-test_resnet"


def test_every_setting_of_a_recipe_has_a_widget(at):
    shown = {w.key for w in (*at.text_input, *at.number_input, *at.selectbox, *at.toggle)}
    assert {f"recipe_{field.name}" for field in fields(Recipe)} <= shown


MISTAKES = {
    "no such folder": ("explain_data", "isic2016:/nowhere", "found nothing there. To mend it: name the folder"),
    "no such format": ("explain_data", "dicom:/x", "found dicom. To mend it: name one"),
    "nothing": ("explain_data", "", "To mend it: name one"),
    "a path": ("explain_name", "../outside", "To mend it: choose another"),
    "an option": ("explain_name", "-x", "To mend it: choose another"),
    "hidden": ("explain_name", ".x", "To mend it: choose another"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_with_its_remedy_and_cannot_be_started(at, case):
    key, text, said = MISTAKES[case]
    at.selectbox(key="method").set_value("lime").run()
    at.text_input(key=key).set_value(text).run()
    assert len(at.error) == 1
    assert said in at.error[0].value
    assert (starts(at), len(commands(at))) == ([False, True], 1)
    at.text_input(key=key).set_value("sample").run()  # a data set, and a name
    assert not at.error
    assert starts(at) == [True, True]
    assert at.selectbox(key="method").value == "lime"  # nothing else was lost
    assert at.selectbox(key="split").value == "test"


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("model", "import:os:system", "start it from the command line"),
        ("model", "models/none", "no card.json there"),
        ("recipe_arch", "import:os:system", "start it from the command line"),
        ("recipe_weights", "none", "name hub or a file, or use pathway scratch"),
    ],
)
def test_what_a_page_must_not_run_and_what_cannot_work_is_refused(key, text, said):
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    app.session_state[key] = text  # AppTest can choose a classifier of the list, but not type one
    app.run()
    assert [said in error.value for error in app.error] == [True]
    assert sorted(starts(app)) == [False, True]


def test_no_explained_class_is_a_mistake(at):
    at.multiselect(key="targets").set_value([]).run()
    assert "choose one" in at.error[0].value
    assert starts(at) == [False, True]


def test_a_classifier_of_other_classes_is_refused(at, workspace):
    model = workspace / "models" / "pets"
    model.mkdir(parents=True)
    (model / "card.json").write_text('{"class_names": ["cat", "dog"]}')
    at.run()
    assert at.selectbox(key="model").options[0] == "models/pets"
    at.selectbox(key="model").set_value("models/pets").run()
    assert any("benign" in error.value and "cat" in error.value for error in at.error)
    assert starts(at) == [False, True]


def test_a_name_in_use_is_not_proposed_and_not_taken(at, workspace):
    (workspace / "runs" / "sample-grad_cam").mkdir(parents=True)
    at.run()
    assert commands(at)[EXPLAIN][-1] == "--out=runs/sample-grad_cam-2"
    at.text_input(key="explain_name").set_value("sample-grad_cam").run()
    assert "choose another, or leave it empty" in at.error[0].value


def test_start_starts_what_is_shown_and_cancel_and_resume_act(at):
    at.text_input(key="explain_name").set_value("short").run()
    shown = commands(at)[EXPLAIN][3:]
    at.button(key="start Explain a data set").click().run()
    (job,) = jobs.all()
    assert list(job.arguments) == shown
    assert job.title == "Grad-CAM on sample"
    assert "a free name" in at.error[0].value  # what a second press would meet
    at.button(key=f"cancel {job.id}").click().run()
    assert ended(job).state == "cancelled"
    at.run()
    at.button(key=f"resume {job.id}").click().run()
    assert not at.exception
    assert jobs.get(job.id).arguments == (*job.arguments, "--resume")


def test_a_failed_job_says_why_and_a_damaged_one_stands_beside_it(at, workspace):
    ended(jobs.start(["check", "table:none.csv"], "A check"))
    (workspace / "jobs" / "damaged").mkdir()
    at.run()
    assert not at.exception
    texts = [text.value for text in at.text]
    assert "A check" in texts
    assert any("none.csv" in text for text in texts)
    assert any("cannot be read" in text for text in texts)


def test_a_setting_whose_zero_stands_for_more_says_what():
    def script():
        from xai_core.ui.setting import setting

        setting("epochs", 0, "passes; 0: 8, 100 for a linear probe", 0, 10, key="epochs")
        setting("seed", 0, "decides the order", 0, 10, key="seed")

    app = AppTest.from_function(script).run()
    epochs, seed = app.number_input
    assert (epochs.value, epochs.placeholder) == (None, "8, 100 for a linear probe")
    assert (seed.value, seed.min, seed.max) == (0, 0, 10)
    assert setting.__doc__


def write_progress(job: jobs.Job, done: int) -> None:
    state = {"noun": "images explained", "done": done, "total": 10, "left": 70}
    (job.folder / "new").write_text(json.dumps(state))
    (job.folder / "new").replace(job.folder / "progress.json")


def test_two_browsers_follow_a_job_through_an_end_of_the_server(browser, workspace):
    os.mkfifo("pipe.csv")
    port = free_port()
    server = (COMMANDS["python"], workspace, environment(port), "Ctrl+C ends it")
    both = [browser.new_page(viewport={"width": width, "height": 900}) for width in (1440, 1024)]
    with busy("Endless") as job:
        with started(*server):
            for opened in both:
                opened.goto(f"http://127.0.0.1:{port}/jobs")
            for done in (3, 7):
                write_progress(job, done)
                for opened in both:
                    opened.get_by_text(f"{done} of 10 images explained · about 1 min 10 s left").wait_for()
        assert jobs.get(job.id).state == "running"
        with started(*server):  # the pages, left open, find it again by themselves
            write_progress(job, 9)
            for opened in both:
                opened.get_by_text("9 of 10 images explained").wait_for()
            both[0].get_by_role("button", name="Cancel").click()
            for opened in both:
                opened.get_by_text("Cancelled").wait_for()
                opened.context.close()
    assert jobs.get(job.id).state == "cancelled"
