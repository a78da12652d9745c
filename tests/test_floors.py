"""Imports go down the floors only: the house of docs/nomenclature.md, enforced."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pdplan

PACKAGE = Path(pdplan.__file__).parent
FLOOR = {
    "_version": 0,
    "__main__": 9,
    "errors": 0,
    "units": 0,
    "trust": 0,
    "checks": 0,
    "special": 0,
    "lazy": 0,
    "normal": 0,
    "plotting": 0,
    "queueing": 1,
    "latency": 1,
    "serving": 2,
    "workload": 2,
    "spec": 2,
    "sim": 3,
    "planner": 4,
    "symbolic": 3,
    "interop": 4,
    "report": 5,
    "web": 6,
    "cli": 7,
}
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p.relative_to(PACKAGE) != Path("__init__.py"))


def _room(dotted: str) -> str:
    return dotted.split(".")[1] if "." in dotted else ""


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.startswith("pdplan")}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "pdplan":
                found |= {f"pdplan.{a.name}" for a in node.names}
            elif node.module and node.module.startswith("pdplan."):
                found.add(node.module)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    here = path.relative_to(PACKAGE).with_suffix("").parts[0]
    for target in _imports(path):
        room = _room(target)
        assert room in FLOOR, f"{path} imports {target}, which is on no floor"
        assert room == here or FLOOR[room] == 0 or FLOOR[room] < FLOOR[here], (
            f"{path} (floor {FLOOR[here]}) imports {target} (floor {FLOOR[room]})"
        )
