"""Best first: solve what could still be the best, and let the engine settle what the formulas put on top."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import Protocol

from pdplan.planner.placement_goodput import Limited
from pdplan.planner.placement_report import Choice, Placement, Seen, Unit

#: With the engine, what the formulas put at the best over this, or more, is simulated too: their error on
#: instances without pipelines (docs/validation/placement.md).
DOUBT = 1.15


class Settle(Protocol):
    """What the engine does for a search."""

    def goodput(self, unit: Unit, found: Limited, at_least: float) -> Seen:
        """Bracket the goodput of a unit; rate 0 where it does not serve ``at_least`` [1/s]."""

    def whole(self, found: Placement) -> Placement:
        """Serve the scenario's rate with all that is bought."""


def best_first(
    units: Sequence[Unit],
    ceilings: Sequence[Callable[[Unit], float]],
    solve: Callable[[Unit], Limited],
    settle: Settle | None = None,
) -> tuple[Choice, ...]:
    """Return what was solved, best first: the most goodput per GPU, then fewer GPUs.

    Units are solved in the order of what they could do per GPU, as long as one could still be the best; with
    the engine, as long as one could be if the formulas were wrong by `DOUBT`.

    Parameters
    ----------
    units : sequence of Unit
    ceilings : sequence of callables
        Largest rate that a unit could reach at all [1/s], cheapest first; a dearer one is asked only of what
        passed those before it.
    solve : callable
        Its goodput by the formulas.
    settle : Settle, optional
        The engine; then the best by simulation wins, and what the formulas put far below is not simulated.
    """
    doubt = 1.0 if settle is None else DOUBT
    best = 0.0
    rows: list[Choice] = []
    waiting = [(-ceilings[0](u) / u.gpus, 1, i) for i, u in enumerate(units)]
    heapify(waiting)
    while waiting:
        bound, asked, i = heappop(waiting)
        unit = units[i]
        if rows and -bound * doubt <= best:  # the first is solved whatever it could do: it says why
            break
        if asked < len(ceilings):
            heappush(waiting, (max(bound, -ceilings[asked](unit) / unit.gpus), asked + 1, i))
            continue
        found = solve(unit)
        seen = None
        if settle is not None and found.rate * doubt > best * unit.gpus:
            seen = settle.goodput(unit, found, best * unit.gpus)
        rows.append(Choice(unit, found.rate, found.by, seen))
        if settle is None or seen is not None:
            best = max(best, rows[-1].per_gpu)
    unsure = settle is not None  # what the engine has not seen comes after what it has
    return tuple(sorted(rows, key=lambda c: (c.beaten, unsure and c.seen is None, -c.per_gpu, c.unit.gpus)))
