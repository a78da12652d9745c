"""What the documents show runs: Python blocks, scenarios and commands of every page, commands of the README.

The README's Python and its quick start are in test_readme.py.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import typer.main
from documents import PAGES, ROOT, arguments, blocks

from pdplan.cli.app import app, guarded
from pdplan.spec.loading import parse_scenario

#: Commands that need somebody else: a Prometheus server, a browser, a server of pdplan's own. They are run in
#: tests/interop/prometheus and tests/web.
ELSEWHERE = ("pdplan observe ", "pdplan serve")
#: Commands of blocks that are not pdplan's own.
OTHERS = ("python3 -m venv", ".venv/", "cd ", "python ", "bash ", "mkdocs ", "pip install ", "curl ")


def _ours(line: str) -> bool:
    return line.startswith("pdplan ")


WITH_PYTHON = [p for p in PAGES[1:] if any(b.language == "python" for b in blocks(p))]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=[str(p.relative_to(ROOT)) for p in WITH_PYTHON])
def test_python_runs(page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    for block in blocks(page):
        if block.language == "python":
            exec(compile(block.text, str(page), "exec"), {})
    capsys.readouterr()


def test_scenarios_are_scenarios() -> None:
    seen = [b for p in PAGES for b in blocks(p) if b.language == "yaml" and "\nversion:" in f"\n{b.text}"]
    assert len(seen) >= 3
    for block in seen:
        assert parse_scenario(block.text, block.page.name).classes


def test_commands_exist_with_their_options() -> None:
    """Every command line is understood, down to its options."""
    root = typer.main.get_command(app)
    seen = [b for p in PAGES for b in blocks(p) if b.language in ("console", "bash")]
    for block in seen:
        for line, _ in block.commands():
            assert _ours(line) or line.startswith(OTHERS), f"{block.page.name}: {line}: neither run nor known"
            if _ours(line):
                _parsed(root, arguments(line))


def _parsed(command: typer.main.Any, args: list[str]) -> None:  # type: ignore[name-defined]
    context = command.make_context("pdplan", list(args), resilient_parsing=False)
    while hasattr(context.command, "commands") and (rest := [*context._protected_args, *context.args]):
        name, below, args = context.command.resolve_command(context, rest)
        context = below.make_context(name, list(args), parent=context)


def _folder(page: Path, tmp_path: Path, own_data: bool) -> Path:
    """A folder with the scenarios that pages name."""
    if own_data:
        shutil.copytree(ROOT / "scenarios" / "own-data", tmp_path, dirs_exist_ok=True)
    for source in (ROOT / "README.md", ROOT / "docs" / "getting-started.md", page):
        for block in blocks(source):
            if block.language == "yaml" and (block.note("file") or source.name == "README.md"):
                text = block.text.split("\n", 1)[1] if block.text.startswith("# yaml") else block.text
                (tmp_path / (block.note("file") or "chat.yaml")).write_text(text)
    hours = "\n".join(f"{h:02d}:00,{8 + (h % 12)}" for h in range(24))
    (tmp_path / "day.csv").write_text(f"time,rate_req_per_s\n{hours}\n")
    return tmp_path


def _own_measurements(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a reader has by then: a profile of the second example, and results to hold against it."""
    shutil.copy(ROOT / "scenarios" / "own-data" / "bench.json", folder / "new-results.json")
    fit = "pdplan profile fit new-results.json -o profile.yaml --model llama-3.1-8b"
    _run(f"{fit} --accelerator h100-sxm-80gb", 0, capsys)


def _run(line: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    got = guarded(lambda: app(args=arguments(line), prog_name="pdplan", standalone_mode=False))
    seen = capsys.readouterr()
    assert got == code, f"{line}: exit {got}\n{seen.err[-2000:]}"


WITH_COMMANDS = [p for p in PAGES if any(b.language in ("console", "bash") for b in blocks(p))]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=[str(p.relative_to(ROOT)) for p in WITH_COMMANDS])
def test_commands_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, block in enumerate(blocks(page)):
        if block.language not in ("console", "bash"):
            continue
        lines = block.commands()
        places = [line.split()[1] for line, _ in lines if line.startswith("cd scenarios/")]
        own_data = block.note("in") == "own-data" or places == ["scenarios/own-data"]
        folder = tmp_path / str(number)
        folder.mkdir()
        if places and not own_data:
            shutil.copytree(ROOT / places[0], folder, dirs_exist_ok=True)
        monkeypatch.chdir(_folder(page, folder, own_data))
        if "new-results.json" in block.text:
            _own_measurements(folder, capsys)
        for line, code in lines:
            if _ours(line) and not line.startswith(ELSEWHERE):
                _run(line, code, capsys)


def test_every_validation_page_has_its_command() -> None:
    """One command regenerates every table: it knows each page, and each script is there."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("regenerate", ROOT / "tools" / "regenerate_validation.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    rows = tool.listed()
    pages = {Path(page).name for page, _, _ in rows}
    there = {p.name for p in (ROOT / "docs" / "validation").glob("*.md")} - {"regenerated.md"}
    assert there == pages
    for _, script, written in rows:
        assert (ROOT / "benchmarks" / f"{script}.py").exists()
        assert tool.command(script, written, None) or script in tool.ARGUMENTS
