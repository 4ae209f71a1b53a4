"""Jobs: real processes, ended in every way, and what their folders say of them afterwards."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from xai_core import jobs
from xai_core.cli.output import Progress
from xai_core.errors import BadInput
from xai_core.jobs.process import PROGRESS, Process

ROOT = Path(__file__).resolve().parent.parent
EXPLAIN = [
    "explain",
    "sample",
    f"--model={ROOT / 'sample_data/models/demo'}",
    "--method=grad_cam",
    "--split=test",
    "--limit=4",
    "--workers=0",
    "--threads=1",
    "--part-size=1",
]


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.csv")
    yield tmp_path
    for job in jobs.all():
        job.cancel(grace=0)


def until(condition, what: str):
    """Return what `condition` gives once it is true; fail where it stays false."""
    deadline = time.monotonic() + 60
    while not (value := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return value


def ended(job: jobs.Job) -> jobs.Job:
    return until(lambda: (now := jobs.get(job.id)).state != "running" and now, "the job does not end")


def process_of(job: jobs.Job) -> int:
    return json.loads((job.folder / "job.json").read_text())["pid"]


@contextmanager
def busy(title: str):
    """Yield a job whose command has begun and goes on until it is ended: it reads a pipe into which nothing comes."""
    job = jobs.start(["check", "table:pipe.csv"], title)
    writer = until(opened_by_a_reader, "the command does not begin")
    yield job
    os.close(writer)


def opened_by_a_reader() -> int | None:
    try:
        return os.open("pipe.csv", os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        assert error.errno == errno.ENXIO
        return None


def test_a_job_says_how_far_it_is_and_what_came_of_it():
    rows = ["image,label"]
    for source in sorted((ROOT / "sample_data/dermoscopy/images").iterdir())[:4]:
        shutil.copy(source, source.name)
        rows.append(f"{source.name},benign")
    Path("list.csv").write_text("\n".join([*rows, "none.jpg,malignant"]))
    job = jobs.start(["check", "table:list.csv"], "First")
    assert (job.state, job.title, job.done, job.total) == ("running", "First", 0, 0)
    now = ended(job)
    assert (now.state, now.done, now.total, now.noun) == ("done", 4, 4, "samples checked")
    assert "table:list.csv: 4 samples" in now.outcome
    assert "4 of 4 samples checked" in now.log_tail
    assert (now.out, now.runs(), now.left, now.resumable) == ("", [], None, False)
    with pytest.raises(BadInput, match="failed or cancelled"):
        now.resume()


def test_bad_input_is_a_failed_job_that_says_why():
    job = ended(jobs.start(["explain", "isic2016:/nowhere", "--model=m", "--method=lime", "--out", "runs/a b"], "Bad"))
    assert job.state == "failed"
    assert job.outcome.startswith("/nowhere: expected a folder with the ISIC 2016 images")
    assert job.out == "runs/a b"
    assert job.runs() == []


def test_a_command_line_that_cannot_be_read_fails_with_its_line():
    job = ended(jobs.start(["explain", "sample", "--method=none"], "Typo"))
    assert job.state == "failed"
    assert "see python -m xai_core explain --help" in job.outcome.replace("xai_core explain: ", "")


def test_arguments_reach_the_command_as_they_are():
    strange = "table:$(touch hacked); a'b\"c.csv"
    job = ended(jobs.start(["check", strange], "Strange"))
    assert job.arguments == ("check", strange)
    assert "$(touch hacked); a'b\"c.csv" in job.outcome
    assert not Path("hacked").exists()


def test_cancel_ends_the_job_and_says_so():
    with busy("Endless") as job:
        job.cancel()
        job = ended(job)
    assert job.state == "cancelled"
    assert job.outcome == "cancelled; what was finished is kept"
    assert "interrupted" in job.log_tail
    assert not job.resumable  # `check` has nothing to take up
    job.cancel()
    assert jobs.get(job.id) == job


def test_cancel_ends_what_does_not_listen():
    with busy("Endless") as job:
        os.kill(process_of(job), signal.SIGSTOP)  # takes no SIGTERM while it is stopped
        job.cancel(grace=0.2)
        assert jobs.get(job.id).stopping
        assert ended(job).state == "cancelled"


def test_a_killed_job_is_gone_and_not_done():
    with busy("Endless") as job:
        os.kill(process_of(job), signal.SIGKILL)
        job = ended(job)
    assert job.state == "failed"
    assert "the process is gone" in job.outcome


def test_a_killed_explanation_is_taken_up_though_it_had_not_begun():
    job = jobs.start([*EXPLAIN, "--target=predicted,malignant", "--out=runs/cut"], "Cut")
    os.kill(process_of(job), signal.SIGKILL)
    failed = ended(job)
    assert failed.state == "failed"
    again = failed.resume()
    assert again.id == job.id
    assert again.arguments == (*job.arguments, "--resume")
    done = ended(again)
    assert (done.state, done.runs()) == ("done", ["runs/cut/malignant", "runs/cut/predicted"])
    assert done.out == "runs/cut"
    assert [job.state for job in jobs.all()] == ["done"]


def test_only_one_of_two_who_resume_starts_it():
    job = ended(jobs.start([*EXPLAIN[:2], "--model=none", "--method=lime", "--out=runs/x"], "No model"))
    outcomes = []

    def resume():
        try:
            outcomes.append(job.resume().state)
        except BadInput:
            outcomes.append("refused")

    threads = [threading.Thread(target=resume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused"] * 3 + ["running"]
    ended(job)


def test_a_job_outlives_who_started_it(workspace):
    starter = "from xai_core import jobs; print(jobs.start(['check', 'table:pipe.csv'], 'Orphan').id)"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RIGHT_REASONS_PASSWORD": "a secret of the server"}
    answer = subprocess.run(
        [sys.executable, "-c", starter], env=environment, capture_output=True, text=True, check=True
    )
    job = jobs.get(answer.stdout.strip())
    assert job.state == "running"
    assert b"a secret of the server" not in Path(f"/proc/{process_of(job)}/environ").read_bytes()
    with Path("pipe.csv").open("w") as pipe:  # the command goes on as soon as somebody writes
        pipe.write("not,a,table\n")
    assert ended(job).state == "failed"


def test_a_number_that_another_process_has_by_now_is_not_the_job():
    ours = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    assert Process(os.getpid(), ours).alive
    other = Process(os.getpid(), ours - 1)
    assert not other.alive
    other.signal(signal.SIGKILL)  # or this test ends here


def test_a_damaged_folder_is_shown_and_breaks_nothing(workspace):
    whole = ended(jobs.start(["check", "table:none.csv"], "Whole"))
    shelf = workspace / "jobs"
    texts = {"empty": None, "cut": '{"id": "cut", "ti', "list": "[]", "words": '{"title": 1, "pid": "x", "began": 0}'}
    for name, text in texts.items():
        (shelf / name).mkdir()
        if text is not None:
            (shelf / name / "job.json").write_text(text)
    (whole.folder / "progress.json").write_text('{"done": ')
    (whole.folder / "log").write_bytes(b"\xff\xfe broken\n")
    found = {job.id: job for job in jobs.all()}
    assert found.keys() == {whole.id, *texts}
    assert {found[name].state for name in texts} == {"failed"}
    assert all("cannot be read" in found[name].outcome and not found[name].resumable for name in texts)
    assert (found[whole.id].state, found[whole.id].title, found[whole.id].done) == ("failed", "Whole", 0)


def test_jobs_are_listed_newest_first_and_ids_never_clash():
    started = [jobs.start(["check", "table:none.csv"], str(k)) for k in range(4)]
    assert [job.title for job in jobs.all()] == ["3", "2", "1", "0"]
    assert len({job.id for job in started}) == 4
    for job in started:
        ended(job)


@pytest.mark.parametrize("id", ["", ".", "..", "../jobs", "none", "a/b"])
def test_only_the_id_of_a_job_finds_one(id):
    jobs.start(["check", "table:none.csv"], "One")
    with pytest.raises(BadInput, match="the id of a job"):
        jobs.get(id)


def test_a_folder_that_cannot_be_made_is_refused(workspace):
    (workspace / "jobs").write_text("in the way")
    with pytest.raises(BadInput, match="can be written"):
        jobs.start(["check", "sample"], "Refused")
    assert jobs.all() == []


def test_progress_is_written_whole_and_always_at_the_end(workspace, monkeypatch, capsys):
    file = workspace / "progress.json"
    monkeypatch.setenv(PROGRESS, str(file))
    progress, seen = Progress("things"), []
    for done in range(1, 1001):
        progress(done, 1000)
        seen.append(file.stat().st_ino)
    assert json.loads(file.read_text()) == {"noun": "things", "done": 1000, "total": 1000, "left": 0.0}
    assert 2 <= len(set(seen)) < 100
    monkeypatch.setenv(PROGRESS, str(workspace / "no folder" / "progress.json"))
    Progress("things")(1, 1)
    assert "1 of 1 things" in capsys.readouterr().err
