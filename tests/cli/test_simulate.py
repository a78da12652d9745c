"""`pdplan simulate` on a scenario: what it writes, and what it refuses before it runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from pdplan.cli import main


def run(*argv: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["simulate", "--requests", "2000", *argv])
    return int(left.value.code or 0)


def test_csv_has_a_row_for_each_request(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run.csv"
    assert run("--output", str(path)) == 0
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2000
    assert all(float(r["ttft_s"]) > 0 and r["status"] == "completed" for r in rows)


def test_json_is_the_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.json"
    assert run("--output", str(path), "--json") == 0
    written = json.loads(path.read_text())
    printed = json.loads(capsys.readouterr().out)
    assert written["requests"] == printed["requests"] == 2000


@pytest.mark.parametrize("name", ["run.xlsx", "run"])
def test_an_unknown_kind_of_file_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run("--output", str(tmp_path / name)) == 2
    assert "must end in .csv, .parquet or .json" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
