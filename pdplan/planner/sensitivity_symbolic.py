"""Elasticities from sympy: derivatives of the very functions that computed a plan's numbers."""

from __future__ import annotations

from collections.abc import Mapping

from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.result import ClassPlan
from pdplan.symbolic import Derivation
from pdplan.symbolic.render import trace

#: Parts of TTFT that an input leaves alone, whatever their law.
_UNTOUCHED: Mapping[str, frozenset[str]] = {
    "rate": frozenset({"overhead", "prefill", "transfer"}),
    "output_tokens": frozenset({"overhead", "queue", "prefill", "transfer_wait", "transfer"}),
    "prefill_step": frozenset({"overhead", "transfer", "admission", "join", "first_step"}),
    "decode_step": frozenset({"overhead", "queue", "prefill", "transfer_wait", "transfer"}),
    "link": frozenset({"overhead", "queue", "prefill", "admission", "join", "first_step"}),
}

#: Which argument of a part's formula an input is.
_ARGUMENT: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("rate", "queue"): ("arrival_rate",),
    ("prefill_step", "queue"): ("service_s", "mean_service_s"),
    ("link", "transfer"): ("link_bytes_per_s",),
}


def elasticities(step: Derivation) -> dict[str, float]:
    r"""Elasticity of one formula to each of its arguments, :math:`(x/y)\,\partial y/\partial x` [-].

    Source: the function itself, traced and differentiated by sympy.

    Examples
    --------
    >>> from pdplan.queueing.mg1 import mg1_mean_wait_s
    >>> step = Derivation("w", "wait", "W", "s", 0.4, mg1_mean_wait_s,
    ...     {"arrival_rate": 0.8, "mean_service_s": 1.0, "service_scv": 0.5})
    >>> {k: round(v, 9) for k, v in elasticities(step).items()}       # 1/(1 - rho), 2 + rho/(1 - rho)
    {'arrival_rate': 5.0, 'mean_service_s': 6.0, 'service_scv': 0.333333333}
    """
    import sympy

    expression, symbols = trace(step)
    numbers = {symbols[a]: v for a, v in step.arguments.items()}
    value = float(expression.subs(numbers))
    if value == 0.0:
        return dict.fromkeys(step.arguments, 0.0)
    return {
        a: float(sympy.diff(expression, s).subs(numbers)) * step.arguments[a] / value
        for a, s in symbols.items()
    }


def mean_ttft_elasticity(
    chosen: Disaggregated, c: ClassPlan, steps: Mapping[str, Derivation], lever: str
) -> float | None:
    """Elasticity of a class's mean TTFT to an input, by the chain rule; None where a part has no formula.

    The mean is the sum of its parts, so its elasticity is theirs, weighted by their shares.
    """
    shares = elasticities(steps[f"ttft.{c.name}.mean" if f"ttft.{c.name}.mean" in steps else "ttft.mean"])
    total = 0.0
    for part, share in shares.items():
        own = 0.0 if c.ttft_parts_s[part] == 0.0 else _part(chosen, steps, lever, part)
        if own is None:
            return None
        total += share * own
    return total


def _part(chosen: Disaggregated, steps: Mapping[str, Derivation], lever: str, part: str) -> float | None:
    """Elasticity of one part of TTFT; None without a formula."""
    hidden = part == "transfer" and chosen.problem.scenario.overlap > 0  # prefill covers some of it
    if lever == "prefill_step" and part == "prefill":
        return 1.0
    if hidden and lever in ("prefill_step", "link"):
        return None
    if part in _UNTOUCHED.get(lever, frozenset()):
        return 0.0
    step = steps.get({"queue": "prefill.wait", "transfer": "link.transfer"}.get(part, ""))
    if step is None or step.formula is None:
        return None
    if part == "transfer" and len(chosen.problem.traffic) > 1:
        return None  # the formula is of the mean payload of all classes
    known = elasticities(step)
    return next((known[a] for a in _ARGUMENT.get((lever, part), ()) if a in known), None)
