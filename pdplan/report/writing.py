"""The report as a file: whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pdplan.errors import InputError
from pdplan.plotting import require_matplotlib
from pdplan.sim.result_files import whole_file

if TYPE_CHECKING:
    from pdplan.planner.answer import Plan


def check_target(path: str | Path) -> Path:
    """Say what is wrong with the place of a report before anything is computed.

    Raises
    ------
    InputError
        No matplotlib, another ending than .html, a folder in its place, or its folder does not exist.

    Examples
    --------
    >>> check_target("plan.pdf")
    Traceback (most recent call last):
    pdplan.errors.InputError: plan.pdf: a report is an HTML file: give a name that ends in .html
    """
    require_matplotlib()
    target = Path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{target}: a report is an HTML file: give a name that ends in .html")
    if target.is_dir():
        raise InputError(f"{target} is a folder: give the name of a file")
    if not target.parent.is_dir():
        raise InputError(f"{target}: the folder {target.parent} does not exist: make it first")
    return target


def write_report(plan: Plan, path: str | Path, *, requests: int | None = None, seed: int = 0) -> Path:
    """Write the report of a plan under a temporary name, then rename it; see `pdplan.report.report_html`.

    Raises
    ------
    InputError
        As `check_target`; the file cannot be written.
    """
    from pdplan.report.page import report_html

    target = check_target(path)
    text = report_html(plan, requests=requests, seed=seed)
    with whole_file(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return target
