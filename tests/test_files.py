"""Files are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import copy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xai_core.errors import BadInput, SampleError
from xai_core.files import exclusive, read_json, sha256_of, write_atomic, write_json


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    path = write_json(tmp_path / "a.json", {"x": 1})
    with pytest.raises(ValueError, match="NaN|JSON"):
        write_json(path, {"x": float("nan")})

    def half(temporary):
        temporary.write_bytes(b"half")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        write_atomic(path, half)
    assert read_json(path) == {"x": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_full_disk_is_told_in_one_line(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")

    def full(temporary):
        with Path("/dev/full").open("wb", buffering=0) as file:
            file.write(b"x")

    with pytest.raises(BadInput, match="No space left") as error:
        write_atomic(tmp_path / "a", full)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "[1]", "{", "\x00"])
def test_broken_json_names_the_file(tmp_path, text):
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(BadInput, match="b.json"):
        read_json(path)


def test_the_lock_holds_one_writer_and_dies_with_it(tmp_path):
    code = f"""
import time
from pathlib import Path
from xai_core.files import exclusive
with exclusive(Path({str(tmp_path)!r})):
    print("held", flush=True)
    time.sleep(60)
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BadInput, match="another process"), exclusive(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        time.sleep(0.05)
        with exclusive(tmp_path):
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_errors_cross_processes_whole():
    error = SampleError("mask_size", where="a.png", expected="2 x 3", found="3 x 2", remedy="redraw\nit")
    back = copy.copy(error)  # by the same way as pickling: what __reduce__ returns
    assert (str(back), back.kind) == (str(error), "mask_size")
    assert "\n" not in str(error)
    plain = copy.copy(BadInput(expected="a", found="b", remedy="c"))
    assert str(plain) == "expected a; found b; c"


def test_sha256_is_the_known_one(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
