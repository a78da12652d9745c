"""A symbol without a closed form: the same fleet under the input changed, between two ends of a bracket."""

from __future__ import annotations

import math
from collections.abc import Callable

from pdplan.errors import InfeasibleError, InputError, UnstableError, did_you_mean
from pdplan.planner.evaluate import Disaggregated, Evaluator
from pdplan.planner.judge import judge
from pdplan.planner.problem import Problem
from pdplan.planner.search import Candidate
from pdplan.planner.vary import scaled, with_link, with_outputs, with_prompts, with_steps
from pdplan.serving.demand import ClassDemand
from pdplan.spec.slo import Target
from pdplan.symbolic.numbers import number
from pdplan.symbolic.solution import Solution

#: Inputs that a root can be taken in: their unit, and the problem with them times a factor.
INPUTS: dict[str, tuple[str, Callable[[Problem, float], Problem]]] = {
    "rate": ("1/s", scaled),
    "link.bandwidth": ("B/s", with_link),
    "prompt_tokens": ("tok", with_prompts),
    "output_tokens": ("tok", with_outputs),
    "prefill_step": ("", lambda p, f: with_steps(p, prefill=f)),
    "decode_step": ("", lambda p, f: with_steps(p, decode=f)),
}
ALIASES = {
    "rate.total": "rate",
    "arrival_rate": "rate",
    "lambda": "rate",
    "λ": "rate",
    "link": "link.bandwidth",
}
#: Farthest factor that is tried, and precision of the factor.
FARTHEST = 1e4
PRECISION = 1e-9
#: How far from what was asked a root may leave a quantity, relative: percentiles move in small steps.
MISSES = 1e-3


def input_named(asked: str) -> str:
    """Return the input that a user names.

    Raises
    ------
    InputError
        None of that name.
    """
    name = ALIASES.get(asked, asked)
    if name not in INPUTS:
        known = sorted(INPUTS)
        raise InputError(
            f"--for {asked}: this quantity has no closed form in it{did_you_mean(asked, known)}; a root is "
            f"taken in {', '.join(known)}"
        )
    return name


def value_now(problem: Problem, best: Candidate, chosen: Disaggregated, name: str) -> float:
    """Return an input's own value: of all classes together, or the mean [its unit]."""
    mix = problem.demand
    return {
        "rate": mix.arrival_rate,
        "link.bandwidth": chosen.link.bytes_per_s,
        "prompt_tokens": mix.mean_prompt_tokens,
        "output_tokens": mix.mean_output_tokens,
    }.get(name, 1.0)


def reader(quantity: str, problem: Problem) -> Callable[[Disaggregated], float]:
    """Return how a quantity is read off a fleet: latencies and loads directly, others from the working."""
    parts = quantity.split(".")
    names = {d.name for d in problem.demands}
    metric, stat = parts[0], parts[-1]
    who = parts[1] if len(parts) == 3 and parts[1] in names else None
    if metric in ("ttft", "tpot", "e2e") and len(parts) == (2 if who is None else 3) and _is_stat(stat):
        target = Target(metric, stat, 1.0)  # type: ignore[arg-type]

        def latency(fleet: Disaggregated) -> float:
            demands: dict[str, ClassDemand] = {d.name: d for d in fleet.problem.demands}
            return fleet.value(demands[who] if who else fleet.problem.demands[0], target)

        return latency
    plain: dict[str, Callable[[Disaggregated], float]] = {
        "prefill.utilization": lambda f: f.prefill.utilization,
        "decode.utilization": lambda f: f.decode.utilization,
        "link.utilization": lambda f: f.link.utilization,
        "decode.kv_p99_share": lambda f: f.decode.kv_p99_share or 0.0,
        "decode.itl": lambda f: f.decode.itl_value(None),
    }
    return plain.get(quantity, lambda f: _from_working(f, quantity))


def _is_stat(stat: str) -> bool:
    return stat == "mean" or (stat.startswith("p") and stat[1:].replace(".", "", 1).isdigit())


def _from_working(fleet: Disaggregated, quantity: str) -> float:
    from pdplan.planner.derive import derivations_of

    found = {d.name: d.value for d in derivations_of(fleet, judge(fleet))}
    if quantity not in found:
        raise InputError(
            f"{quantity} is of the whole plan, not of its fleet: solve for a latency, a load or a cost"
        )
    return found[quantity]


def solve_root(
    problem: Problem, best: Candidate, quantity: str, unit: str, asked: float, name: str
) -> Solution:
    """Return the factor of an input at which a quantity of the same fleet is what was asked.

    Raises
    ------
    InfeasibleError
        The quantity does not reach it, whatever the input.
    """
    its_unit, vary = INPUTS[name]
    read = reader(quantity, problem)

    def at(factor: float) -> float:
        other = vary(problem, factor)
        kinds = other.own(best.prefill), other.own(best.decode)
        try:
            return read(Evaluator(other).fleet(kinds[0], best.prefill_count, kinds[1], best.decode_count))
        except (UnstableError, InfeasibleError):
            return math.inf

    low, high = _bracket(at, asked, quantity, unit, name)
    factor = _bisect(at, asked, low, high)
    fleet = Evaluator(problem).fleet(best.prefill, best.prefill_count, best.decode, best.decode_count)
    now = value_now(problem, best, fleet, name)
    value, back = factor * now, at(factor)
    if not abs(back / asked - 1.0) < MISSES:
        raise InfeasibleError(_jumps(quantity, unit, name, its_unit, asked, value, back))
    shown = f" {its_unit}" if its_unit else ""
    label = (
        f"{best.prefill_count} prefill {best.prefill.label} + {best.decode_count} decode {best.decode.label}"
    )
    several = len(problem.demands) > 1 and name in ("rate", "prompt_tokens", "output_tokens")
    return Solution(
        quantity=quantity,
        symbol=name,
        asked=f"{number(asked)}{' ' + unit if unit else ''}",
        value=value,
        unit=its_unit,
        answer=f"{name} = {number(value)}{shown}, {number(factor)} of {number(now)}{shown}",
        method=f"bracketed root, between {number(low * now)} and {number(high * now)}{shown}",
        equation=f"{quantity}({name}) = {number(asked)}{' ' + unit if unit else ''} on {label}",
        inverse="",
        substituted="",
        latex="",
        where=(),
        check=f"{quantity} at {name} = {number(value)}{shown} is {number(back)}{' ' + unit if unit else ''}",
        residual=back / asked - 1.0 if asked else back,
        notes=("all classes scaled alike; the number is of all together",) if several else (),
    )


def _jumps(
    quantity: str, unit: str, name: str, its_unit: str, asked: float, value: float, back: float
) -> str:
    """Say that a quantity jumps past what was asked, mostly because the fleet is full there."""
    u, v = (f" {x}" if x else "" for x in (unit, its_unit))
    return (
        f"no {name} makes {quantity} {asked:.4g}{u} on this fleet: it is {back:.4g}{u} at {value:.5g}{v}; "
        "beyond that the fleet is full or the law jumps; ask for less, or plan a larger fleet"
    )


def _bracket(
    at: Callable[[float], float], asked: float, quantity: str, unit: str, name: str
) -> tuple[float, float]:
    """Return two neighbouring factors between which the quantity passes what was asked."""
    here = at(1.0)
    seen = [(1.0, here)]
    step = 1.5
    for direction in (step, 1 / step):
        factor, before = 1.0, here
        while 1 / FARTHEST <= factor <= FARTHEST:
            last, factor = factor, factor * direction
            now = at(factor)
            seen.append((factor, now))
            if (before - asked) * (now - asked) <= 0 and not math.isnan(now):
                return (last, factor) if last < factor else (factor, last)
            if math.isinf(now) and math.isinf(before):
                break
            before = now
    finite = [v for _, v in seen if math.isfinite(v)]
    u = f" {unit}" if unit else ""
    span = (
        f"it lies between {min(finite):.4g} and {max(finite):.4g}{u}" if finite else "the fleet is overloaded"
    )
    raise InfeasibleError(
        f"no {name} makes {quantity} {asked:.4g}{u} on this fleet: {span}; ask for one of these, or plan "
        "another fleet"
    )


def _bisect(at: Callable[[float], float], asked: float, low: float, high: float) -> float:
    """Halve the bracket on a logarithmic scale; works across jumps and overload."""
    below = at(low) <= asked
    while high / low > 1 + PRECISION:
        middle = math.sqrt(low * high)
        if (at(middle) <= asked) == below:
            low = middle
        else:
            high = middle
    # the end on which the quantity is finite
    return low if math.isfinite(at(low)) and (below or math.isinf(at(high))) else high
