"""What the documents show runs: Python blocks, scenarios and commands of every page, commands of the README.

The README's Python and its quick start are in test_readme.py.
"""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer.main

from pdplan.cli.app import app, guarded
from pdplan.spec.loading import parse_scenario

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"((?:^<!-- [^\n]* -->\n)*)^```([\w-]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_EXIT = re.compile(r"#\s*exit (\d)")
#: Commands that wait for something of their own: a server, a listening page.
WAITS = ("pdplan observe", "pdplan serve")
#: Commands of blocks that are not pdplan's own.
OTHERS = ("python3 -m venv", ".venv/", "cd ", "python ", "bash ", "mkdocs ", "pip install ", "curl ")


@dataclass(frozen=True)
class Block:
    """One block of code, and the notes written before it."""

    page: Path
    language: str
    text: str
    notes: str

    @property
    def slow(self) -> bool:
        return "<!-- slow -->" in self.notes

    def note(self, key: str) -> str | None:
        found = re.search(rf"<!-- {key}: (\S+) -->", self.notes)
        return found[1] if found else None

    def commands(self) -> list[tuple[str, int]]:
        """Commands with the exit code that they say; continued lines joined."""
        text = re.sub(r"\\\n\s*", "", self.text)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if self.language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        found = [(line, _EXIT.search(line)) for line in lines]
        return [(line, int(code[1]) if code else 0) for line, code in found]


def blocks(page: Path) -> list[Block]:
    return [Block(page, m[2], m[3], m[1]) for m in _BLOCK.finditer(page.read_text())]


def arguments(line: str) -> list[str]:
    return shlex.split(line, comments=True)[1:]


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
        if page.name == "README.md" and "profile.yaml new-results" in block.text:
            continue  # names files that only the reader has
        folder = tmp_path / str(number)
        folder.mkdir()
        if places and not own_data:
            shutil.copytree(ROOT / places[0], folder, dirs_exist_ok=True)
        monkeypatch.chdir(_folder(page, folder, own_data))
        for line, code in lines:
            if _ours(line) and not line.startswith(WAITS):
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
