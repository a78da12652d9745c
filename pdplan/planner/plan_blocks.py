"""What stands around a plan, as blocks of its JSON document.

Each block is the document of the command of that name, for the fleet of the plan: the same numbers where the
command judges the same fleet (no simulation changed it, no fleet is stated).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pdplan.errors import InfeasibleError, InputError

if TYPE_CHECKING:
    from pdplan.planner.answer import Plan

#: Keys of a command's document that the plan's own document has.
SHARED: Final = ("schema", "version", "scenario")


def blocks(plan: Plan) -> dict[str, Any]:
    """Return the blocks; one that cannot be worked out says why.

    - ``runner_up``: the next fleet, what it takes more, what keeps it from being smaller; null without one.
    - ``break_evens``: ``fleet``, the factor on each input at which this fleet fails; ``classes``, where each
      verdict flips, as `pdplan break-even`.
    - ``sensitivities``, ``doubt``, ``spares``: as `pdplan sensitivity`, `doubt` and `spares`.
    """
    return {
        "runner_up": _block(lambda: None if plan.runner_up is None else plan.runner_up.document()),
        "break_evens": _block(
            lambda: {
                "fleet": [row.document() for row in plan.headroom],
                "classes": plan.break_evens.document()["classes"],
            }
        ),
        "sensitivities": _block(lambda: _own(plan.sensitivities.document())),
        "doubt": _block(lambda: _own(plan.doubt.document())),
        "spares": _block(lambda: _own(plan.spares.document())),
    }


def _own(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the plan's document has already."""
    return {k: v for k, v in document.items() if k not in SHARED}


def _block(make: Callable[[], dict[str, Any] | None]) -> dict[str, Any] | None:
    try:
        return make()
    except (InfeasibleError, InputError) as error:
        return {"unavailable": str(error)}
