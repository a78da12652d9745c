"""`pdplan predict`: what it prints and what it refuses."""

from __future__ import annotations

import json

import pytest

from pdplan.cli import main


def run(*argv: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["predict", *argv])
    return int(left.value.code or 0)


def test_one_concurrency(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--concurrency", "8", "--requests", "2000", "--output-factor", "0.9") == 0
    out = capsys.readouterr().out
    assert "8 requests in flight (closed loop); outputs at 0.9 of their nominal length" in out
    assert "mean TTFT" in out
    assert "Limited by: concurrency alone" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_a_curve(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--concurrency", "1,4", "--requests", "1000") == 0
    out = capsys.readouterr().out
    assert out.count("formula") >= 2
    assert out.count("simulated") >= 2


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--concurrency", "4,16", "--no-simulate", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "pdplan.predict/1"
    assert document["loop"] == "closed"
    assert [p["concurrency"] for p in document["points"]] == [4, 16]
    assert document["points"][0]["simulated"] is None
    assert document["points"][0]["formula"]["trust"] == "approximate"


def test_open_loop(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--requests", "5000") == 0
    out = capsys.readouterr().out
    assert "requests arrive at the scenario's rate (open loop)" in out


@pytest.mark.parametrize("text", ["abc", "4,,8", "1.5", "0", ""])
def test_a_bad_concurrency_is_one_line(capsys: pytest.CaptureFixture[str], text: str) -> None:
    assert run("--concurrency", text, "--no-simulate") == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "no scenario given" not in line]
    assert len(lines) == 1
    assert "concurrency" in lines[0]
