"""Break-evens: at which value of each input the verdict of a class flips, in each direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from pdplan.errors import InfeasibleError, InputError, UnstableError, did_you_mean
from pdplan.planner.break_even_answer import BreakEven, BreakEvenReport, ClassBreakEvens
from pdplan.planner.break_even_inputs import INPUTS, KV_DTYPES, Input, at_kv_dtype
from pdplan.planner.break_even_recall import Recall
from pdplan.planner.break_even_search import Line, outward
from pdplan.planner.break_even_state import State, Stations, state_of
from pdplan.planner.problem import Problem, assemble
from pdplan.planner.verdicts import alone
from pdplan.spec.scenario import Scenario

#: Names of every input, as documents and options have them.
NAMES: Final = (*(i.name for i in INPUTS), "kv_dtype")


def break_evens(
    scenario: Scenario, *, inputs: Sequence[str] = NAMES, classes: Sequence[str] | None = None
) -> BreakEvenReport:
    """Find where the verdict of each class, by formulas alone, flips along each input.

    One input moves at a time, everything else stays; each verdict is that of `pdplan split --no-verify` at
    the moved input: both fleets are sized again. Link bandwidth and overlap touch the split fleet alone and
    only help it: there the flip is the one that exists, by bisection. Along the others whole instances make
    staircases of both costs, so the nearest flip is sought at values 2%, 6%, 15%, 40% and so on away, then
    bisected to 0.4%; windows narrower than 1% are passed over, and a wider one between two looks may be.

    Parameters
    ----------
    scenario : Scenario
    inputs : sequence of str
        Some of ``rate``, ``prompt_tokens``, ``output_tokens``, ``link``, ``overlap``, ``prefix_hit``,
        ``kv_dtype``, ``ttft_target``, ``tpot_target``. Lengths and targets scale as a whole: a law keeps its
        shape, every limit on a metric keeps its proportion to the first.
    classes : sequence of str, optional
        Default: all.

    Raises
    ------
    InputError
        An input or class that is not known.
    ScenarioError
        A name or length that is wrong.

    Examples
    --------
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> report = break_evens(builtin_scenario(), inputs=["overlap"])
    >>> [(row.direction, row.value) for row in report.classes[0]]
    [('up', None)]
    """
    return break_evens_of(scenario, assemble(scenario), inputs=inputs, classes=classes)


def break_evens_of(
    scenario: Scenario,
    problem: Problem,
    *,
    inputs: Sequence[str] = NAMES,
    classes: Sequence[str] | None = None,
) -> BreakEvenReport:
    """Find the break-evens of a problem at hand; see `break_evens`."""
    for name in inputs:
        _known(name, NAMES, "input")
    names = [t.name for t in problem.traffic]
    for name in classes or ():
        _known(name, names, "class")
    chosen = [i for i, name in enumerate(names) if not classes or name in classes]
    return BreakEvenReport(scenario, tuple(of_class(problem.only(i), inputs) for i in chosen))


def _known(name: str, known: Sequence[str], what: str) -> None:
    if name not in known:
        hint = did_you_mean(name, known) or f"; choose among {', '.join(known)}"
        raise InputError(f"no {what} {name!r}{hint}")


def of_class(problem: Problem, inputs: Sequence[str] = NAMES) -> ClassBreakEvens:
    """Return the break-evens of a problem of one class."""
    stations = Stations(problem)
    before, reason = state_of(problem, stations), alone(problem).reason
    rows: list[BreakEven] = []
    for spec in INPUTS:
        if spec.name in inputs:
            rows += _along(problem, stations, spec, before, reason)
    if "kv_dtype" in inputs:
        rows += _dtypes(problem, before, reason)
    return ClassBreakEvens(problem.traffic[0].name, before, reason, tuple(rows))


def _along(problem: Problem, stations: Stations, spec: Input, before: State, reason: str) -> list[BreakEven]:
    """Break-evens along one input, up and down."""
    now = spec.now(problem)
    if now is None:
        return []
    line = Line(_asker(problem, stations, spec, before), now, {now: before})
    rows = []
    for direction, end in zip(("down", "up"), spec.bounds(now), strict=True):
        if (end - now) * (1 if direction == "up" else -1) <= 0:
            continue
        probes = [end] if spec.split_only else outward(now, end, share=spec.is_share)
        flip = line.nearest(probes)
        after = None if flip is None else flip.after
        row = BreakEven(
            spec.name,
            spec.words,
            spec.unit,
            direction,
            now,
            None if flip is None else flip.value,
            end,
            before,
            after,
            reason,
            "" if flip is None else _reason(spec, problem, _beyond(flip.value, direction, end), flip.after),
        )
        rows.append(row)
    return rows


def _beyond(value: float, direction: str, end: float) -> float:
    """Return a value 1% past a break-even, within the range."""
    return min(1.01 * value, max(end, value)) if direction == "up" else max(0.99 * value, min(end, value))


def _asker(problem: Problem, stations: Stations, spec: Input, before: State) -> Callable[[float], State]:
    lent = stations if spec.shares_stations else None
    recall = Recall(spec.harder)

    def ask(value: float) -> State:
        try:
            return state_of(spec.at(problem, value), lent, before, recall.at(value))
        except (InfeasibleError, UnstableError):
            return "neither"

    return ask


def _reason(spec: Input, problem: Problem, value: float, after: State) -> str:
    """Name the reason of the verdict past a break-even, as a full verdict gives it."""
    if after in ("split", "undetermined"):
        return after
    return alone(spec.at(problem, value)).reason


def _dtypes(problem: Problem, before: State, reason: str) -> list[BreakEven]:
    """Whether another type of KV flips the verdict."""
    now = problem.scenario.kv_dtype
    rows = []
    for dtype in KV_DTYPES:
        if dtype == now:
            continue
        other = at_kv_dtype(problem, dtype)
        after = state_of(other)
        flips = after != before
        rows.append(
            BreakEven(
                "kv_dtype",
                "KV type",
                "",
                "other",
                now,
                dtype if flips else None,
                dtype,
                before,
                after if flips else None,
                reason,
                alone(other).reason if flips else "",
            )
        )
    return rows
