"""`pdplan sweep`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pdplan.cli.output import load, print_json
from pdplan.cli.progress import progress
from pdplan.planner.sweep_grid import sweep
from pdplan.planner.sweep_log import log_path


def run(
    source: str | None,
    *,
    over: tuple[str, ...],
    latin: int | None,
    seed: int,
    quantities: Any,
    output: str | None,
    workers: int | None,
    dask: str | None,
    as_json: bool,
    overrides: tuple[str, ...],
) -> None:
    """Sweep and print the table; rows go to a file if one is named."""
    scenario = load(source, overrides)
    with ExitStack() as stack:
        try:
            result = sweep(
                scenario,
                over,
                quantities=quantities,
                latin_points=latin,
                seed=seed,
                workers=workers,
                dask=dask,
                output=output,
                on_progress=_bar(stack),
            )
        except KeyboardInterrupt:
            _say_how_to_go_on(output)
            raise
    if as_json:
        print_json(result.document())
    else:
        print(result)
    if output is not None:
        print(f"pdplan: wrote {output} ({len(result.rows)} points)", file=sys.stderr)


def _bar(stack: ExitStack) -> Callable[[int, int], None]:
    """Return what shows progress; the bar is made when it is known how many points there are."""
    update: list[Callable[[int], None] | None] = []

    def show(done: int, total: int) -> None:
        if not update:
            update.append(stack.enter_context(progress("points", total)))
        if update[0] is not None:
            update[0](done)

    return show


def _say_how_to_go_on(output: str | None) -> None:
    if output is not None and log_path(Path(output)).exists():
        print(
            f"pdplan: the points done are in {log_path(Path(output))}: the same command goes on from there",
            file=sys.stderr,
        )
