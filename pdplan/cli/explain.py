"""`pdplan explain`: the working behind the numbers of a plan."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pdplan.cli.output import load, no_as_json, print_json, width
from pdplan.errors import InputError
from pdplan.planner import plan

if TYPE_CHECKING:
    from pdplan.planner.answer import Plan
    from pdplan.symbolic import Shown

SCHEMA = "pdplan.explain/1"


def run(
    quantity: str | None,
    source: str | None,
    *,
    as_json: bool,
    overrides: tuple[str, ...],
    names: bool = False,
    latex: bool = False,
    html: str | None = None,
    verify: bool = True,
) -> None:
    """Show one quantity and everything beneath it; without one, list what there is.

    Raises
    ------
    InputError
        Two forms at once, or a page that cannot be written.
    """
    if sum((as_json, latex, html is not None)) > 1:
        raise InputError("--json, --latex and --html are three forms: choose one")
    if source is None and quantity is not None and _is_file(quantity):
        quantity, source = None, quantity
    if html is not None:
        _writable(Path(html))
    scenario = load(source, overrides)
    with no_as_json("explain", as_json=as_json):
        result = plan(scenario, verify=verify)
    if names or (quantity is None and not latex and html is None):
        _list(result, quantity, as_json=as_json)
        return
    shown = result.explain(quantity) if quantity is not None else _all(result)
    if as_json:
        print_json({"schema": SCHEMA, "shown": [s.document() for s in shown]})
    elif latex:
        print(_latex(shown))
    elif html is not None:
        _write_page(Path(html), result, quantity, shown)
    else:
        columns = width()
        print("\n\n".join(s.text(columns) for s in shown))


def _is_file(text: str) -> bool:
    return text == "-" or Path(text).suffix in (".yaml", ".yml")


def _all(result: Plan) -> tuple[Shown, ...]:
    from pdplan.symbolic import show_derivation

    return tuple(show_derivation(d) for d in result.derivations)


def _list(result: Plan, below: str | None, *, as_json: bool) -> None:
    """Print names, values and titles of all quantities, or of those below a name."""
    from pdplan.symbolic.numbers import number

    found = [
        d for d in result.derivations if below is None or d.name == below or d.name.startswith(below + ".")
    ]
    if as_json:
        print_json({"schema": SCHEMA, "quantities": [d.name for d in found]})
        return
    rows = [(d.name, f"{number(d.value)} {d.unit}".rstrip(), d.title) for d in found]
    sizes = [max((len(r[i]) for r in rows), default=0) for i in (0, 1)]
    for name, value, title in rows:
        print(f"{name.ljust(sizes[0])}  {value.rjust(sizes[1])}  {title}")


def _latex(shown: Sequence[Shown]) -> str:
    """Return the blocks for a document that loads amsmath."""
    return "\n\n".join(f"% {s.name}: {s.title}\n\\[\n{s.latex}\n\\]" for s in shown)


def _writable(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"--html {path}: that is a folder: name a file")
    if not path.parent.is_dir():
        raise InputError(f"--html {path}: no folder {path.parent}: make it first")


def _write_page(path: Path, result: Plan, quantity: str | None, shown: Sequence[Shown]) -> None:
    """Write the page under a temporary name first, so that nobody reads half of one."""
    from pdplan.symbolic.page import page

    what = "the working of a plan" if quantity is None else quantity
    title = f"{result.scenario.name or result.scenario.model}: {what}"
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(page(title, shown), encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"--html {path}: {error.strerror}: choose a file that can be written") from None
    print(f"wrote {path}: {len(shown)} quantities")
