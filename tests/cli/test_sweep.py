"""`pdplan sweep`, `schedule` and `replan` at the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pdplan.cli.app import app, guarded

TEXT = """\
version: 1
model: llama-3.1-8b
accelerator: h100-sxm-80gb
link: ib-ndr-400g
classes:
  - {name: chat, rate: 8 req/s, prompt_tokens: 1000, output_tokens: 200, slo: {ttft: {p99: 2 s}}}
prefill: {parallel: {tp: [1]}, discipline: one_at_a_time}
decode: {parallel: {tp: [1]}}
fleet: {prefill: {count: 1}, decode: {count: 1}}
"""


@pytest.fixture
def small(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(TEXT)
    return str(path)


def run(*words: str) -> int:
    return guarded(lambda: app(args=list(words), prog_name="pdplan", standalone_mode=False))


def test_sweep_prints_and_writes(small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.csv"
    words = (
        "sweep",
        small,
        "--over",
        "fleet.prefill.count=1..2",
        "--over",
        "overlap=[0, 0.5]",
        "-o",
        str(out),
    )
    assert run(*words) == 0
    said = capsys.readouterr()
    assert "4 points (grid): 4 met" in said.out
    assert "wrote" in said.err
    first = out.read_bytes()
    assert run(*words, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["points"]) == ("pdplan.sweep/1", 4)
    assert out.read_bytes() == first


def test_a_hypercube_is_the_same_for_the_same_seed(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "sweep",
        small,
        "--over",
        "classes.chat.rate=2.0..20",
        "--latin",
        "4",
        "--quantities",
        "means",
        "--json",
    )
    texts = []
    for seed in ("1", "1", "2"):
        assert run(*words, "--seed", seed) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    "words",
    [
        ("sweep",),
        ("sweep", "--over", "overlap"),
        ("sweep", "--over", "lnk=[a]"),
        ("sweep", "--over", "overlap=0..1:2", "-o", "x.doc"),
        ("schedule",),
        ("schedule", "--day", "none.yaml"),
        ("schedule", "--trace", "none.csv"),
        ("schedule", "--day", "x.yaml", "--step", "0 s"),
        ("replan",),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_line(
    words: tuple[str, ...],
    small: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(words[0], small, *words[1:]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("pdplan: ")
    assert said.err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["small.yaml"]


def test_a_sweep_of_nothing_but_bad_input_is_bad_input(
    small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        "sweep",
        small,
        "--over",
        "overlap=[0, 0.5]",
        "--set",
        "link=nope",
        "-o",
        str(tmp_path / "x.csv"),
    )
    assert run(*words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("pdplan: no point of the sweep can be planned: link: unknown link 'nope'")
    assert [p.name for p in tmp_path.iterdir()] == ["small.yaml"]


def test_schedule(small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = tmp_path / "day.csv"
    day.write_text("hour,rate_req_per_s\n0,5\n1,60\n2,5\n3,5\n")
    assert run("schedule", small, "--day", str(day), "--hysteresis", "1") == 0
    assert "GPU-hours" in capsys.readouterr().out
    assert run("schedule", small, "--day", str(day), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], len(document["steps"])) == ("pdplan.schedule/1", 4)


def test_replan(small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("replan", small, "--set", "classes.chat.rate=9 req/s", "--check") == 0
    assert capsys.readouterr().out.startswith("KEEP")
    assert run("replan", small, "--set", "classes.chat.rate=60 req/s", "--check") == 1
    assert capsys.readouterr().out.startswith("ADD")
    assert run("replan", small, small, "--json") == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "pdplan.replan/1"
    assert run("replan", small, "--set", "classes.chat.slo.ttft.p99=1 ms", "--json") == 1
    assert json.loads(capsys.readouterr().out)["feasible"] is False


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of a terminal")
def test_ctrl_c_stops_every_process_and_the_log_goes_on(small: str, tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    out = tmp_path / "x.csv"
    words = [sys.executable, "-m", "pdplan", "sweep", small, "--quantities", "plan"]
    words += ["--over", "classes.chat.rate=2..60:600", "--workers", "2", "-o", str(out)]
    process = subprocess.Popen(words, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    log = out.with_name("x.csv.points.jsonl")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (log.exists() and log.stat().st_size):
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert b"goes on from there" in said
    assert not out.exists()
    assert log.read_bytes().endswith(b"\n")
    assert _gone(process.pid)


def _gone(group: int) -> bool:
    """Whether no process of the group is left, after a moment."""
    for _ in range(50):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
