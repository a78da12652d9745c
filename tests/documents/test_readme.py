"""The README's Python runs, and its commands are the ones that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pdplan.spec.loading import parse_scenario

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def test_python_blocks_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    for language, code in BLOCKS:
        if language == "python":
            exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out


def test_yaml_block_is_a_scenario() -> None:
    for language, text in BLOCKS:
        if language == "yaml":
            assert parse_scenario(text, "README.md").classes


def test_quick_start_has_exactly_two_commands() -> None:
    assert re.findall(r"<!-- command: (\w+) -->\n```bash\n(?:.+)\n```", README) == ["plan", "tests"]


def test_commands_exist() -> None:
    from pdplan.cli.app import app

    known = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    known |= {group.name for group in app.registered_groups}
    for language, text in BLOCKS:
        if language == "bash":
            for command in re.findall(r"^pdplan (\w+)", text, re.MULTILINE):
                assert command in known
