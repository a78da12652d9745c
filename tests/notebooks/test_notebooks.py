"""The notebooks: their outputs are kept and clean, each ends in what must hold, and each runs again."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
TOPICS = [
    "1_first_plan",
    "2_queues_and_k",
    "3_decode_batch_and_tpot",
    "4_economics_of_the_wire",
    "5_formulas_against_simulation",
    "6_sizing_from_your_own_data",
]
#: A notebook is read in a browser and travels with the sources.
MOST_BYTES = 300_000
each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def read(path: Path) -> Any:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_six() -> None:
    assert [p.stem for p in NOTEBOOKS] == TOPICS


@each
def test_it_begins_with_words_and_ends_in_asserts(path: Path) -> None:
    notebook = read(path)
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    last = ast.parse(code(notebook)[-1].source)
    assert sum(isinstance(node, ast.Assert) for node in ast.walk(last)) >= 5


@each
def test_outputs_are_kept_and_clean(path: Path) -> None:
    notebook = read(path)
    assert path.stat().st_size < MOST_BYTES
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3
    for output in outputs:
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text


@each
def test_it_says_nothing_of_the_machine_it_ran_on(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for trace in ("/home/", "/root/", "/tmp/", "/work/", "site-packages"):
        assert trace not in text


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the libraries that talk to the kernel
@each
def test_it_runs_again(path: Path) -> None:
    from nbclient import NotebookClient

    notebook = read(path)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
