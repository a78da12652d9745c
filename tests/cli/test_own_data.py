"""The README's second example: a benchmark and a trace in, a plan, its replay and a deployment out."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pdplan.cli.app import app, guarded

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def example() -> tuple[list[list[str]], str]:
    """The commands of the example, and the text that stands under them."""
    found = re.search(r"```bash\ncd scenarios/own-data\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL)
    assert found is not None
    commands = [line.split("#")[0].split() for line in found[1].splitlines()]
    assert all(command[0] == "pdplan" for command in commands)
    return [command[1:] for command in commands], found[2]


@pytest.mark.slow
def test_the_example_runs_and_says_what_the_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "scenarios" / "own-data", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    commands, shown = example()
    said = {}
    for command in commands:
        assert guarded(lambda c=command: app(args=c, prog_name="pdplan", standalone_mode=False)) == 0
        said[command[0]] = capsys.readouterr().out
    assert [c[0] for c in commands] == ["profile", "workload", "plan", "export"]
    assert shown.strip() in said["plan"]
    script = (tmp_path / "serve.sh").read_text()
    assert script.count("vllm serve") >= 4


def test_the_files_are_what_the_tool_makes(tmp_path: Path) -> None:
    """Synthetic, and the tool that made them says so."""
    head = (ROOT / "tools" / "make_own_data_example.py").read_text().split('"""')[1]
    assert "synthetic" in head
    first = (ROOT / "scenarios" / "own-data" / "requests.csv").read_text().splitlines()[0]
    assert first == "arrival_s,prompt_tokens,output_tokens"
