"""The sentences of a report: the answer first, then how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from pdplan.planner.outlook_text import outlook_lines

if TYPE_CHECKING:
    from pdplan.planner.answer import Plan
    from pdplan.report.show import Show

_WORDS: Final = {
    "split": "Split prefill from decode",
    "undetermined": "Undetermined",
    "infeasible": "No fleet",
}


def answer(plan: Plan, show: Show) -> Markup:
    """Return what to buy, in one sentence."""
    fleet = plan.fleet
    pools = Markup(" and ").join(
        Markup("{}&nbsp;{} {} on {}&nbsp;{}").format(
            show(f"/fleet/{role}/count", "count"),
            role,
            "instance" if pool.count == 1 else "instances",
            show(f"/fleet/{role}/gpus", "count"),
            _gpus(pool.gpus),
        )
        for role, pool in (("prefill", fleet.prefill), ("decode", fleet.decode))
    )
    return Markup("Buy {}&nbsp;{} for {}: {}.").format(
        show("/fleet/cost/gpus_bought", "count"),
        _gpus(fleet.cost.gpus_bought),
        show("/fleet/cost/usd_per_hour", "price"),
        pools,
    )


def _gpus(number: int) -> str:
    return "GPU" if number == 1 else "GPUs"


def confidence(plan: Plan) -> str:
    """Return how sure the answer is, in one sentence."""
    if plan.verification is None:
        return f"Not simulated: {plan.unverified}."
    return f"{plan.verification}."


def around(plan: Plan) -> list[tuple[str, str]]:
    """Return what stands around the plan, as its text says it: (what, sentence)."""
    rows = (line.strip().partition(": ") for line in outlook_lines(plan.outlook, 1_000_000)[1:])
    return [(what, sentence) for what, _, sentence in rows]


def verdict_word(reason: str) -> str:
    """Return the verdict on a class in a word or two.

    Examples
    --------
    >>> verdict_word("split"), verdict_word("slow_link")
    ('Split prefill from decode', 'Keep colocated')
    """
    return _WORDS.get(reason, "Keep colocated")
