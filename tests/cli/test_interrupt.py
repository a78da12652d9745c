"""Ctrl-C: a run stops at once, exit code 130, and no file is left behind, not even a partial one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pdplan.cli.app import app, guarded
from pdplan.sim.watch import watched


@pytest.mark.slow
def test_ctrl_c_while_writing_leaves_nothing(tmp_path: Path) -> None:
    output = tmp_path / "runs" / "requests.csv"
    command = [sys.executable, "-m", "pdplan", "simulate", "--requests", "2000000", "--output", str(output)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 150
    while time.monotonic() < until and process.poll() is None and not any(tmp_path.glob("runs/*")):
        time.sleep(0.02)
    assert process.poll() is None, "the file was complete before it was interrupted"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert not list(tmp_path.rglob("*.csv*"))


def test_ctrl_c_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pdplan.cli.plan.run", interrupt)
    assert guarded(lambda: app(args=["plan"], prog_name="pdplan", standalone_mode=False)) == 130
    assert capsys.readouterr() == ("", "pdplan: interrupted\n")


def test_what_interrupts_a_run_stops_its_kernel() -> None:
    stopped: list[bool] = []

    def kernel(watch: np.ndarray) -> float:
        while watch[1] == 0:
            time.sleep(0.01)
        stopped.append(True)
        return 0.0

    def interrupt(served: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watched(kernel, on_progress=interrupt)
    assert stopped == [True]


def test_an_error_of_the_kernel_is_raised_where_it_was_called() -> None:
    with pytest.raises(ZeroDivisionError):
        watched(lambda watch: 1 / 0)
