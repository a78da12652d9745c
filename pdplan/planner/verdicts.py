"""`split`: a verdict for each class on its own traffic, with both ledgers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pdplan._version import __version__
from pdplan.errors import InfeasibleError
from pdplan.planner.break_even_bound import BoundedSearch
from pdplan.planner.colocated import size_colocated
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.judge import judge
from pdplan.planner.need import fractional_need
from pdplan.planner.problem import Problem, assemble
from pdplan.planner.result import Colocated, Fleet, Need
from pdplan.planner.search import Search
from pdplan.planner.vary import scaled, with_link
from pdplan.planner.verdict import TIE_USD, ClassVerdict, Ledger, Reason, decide
from pdplan.serving.economics import disagg_wins
from pdplan.spec.scenario import Scenario

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pdplan.planner.break_even_answer import ClassBreakEvens


#: What a much faster link is, as a factor of the bandwidth.
FASTER: Final = 64.0

#: A fleet that loses to rounding wins at so many times the rate.
LARGER: Final = 4.0


@dataclass(frozen=True, eq=False)
class SplitReport:
    """One verdict per class; ``break_evens`` of each where they were asked for."""

    scenario: Scenario
    verdicts: tuple[ClassVerdict, ...]
    break_evens: tuple[ClassBreakEvens, ...] = ()

    def __bool__(self) -> bool:
        """Truthy iff every class should be split."""
        return all(self.verdicts)

    def with_break_evens(self) -> SplitReport:
        """Return the report with every class's break-evens, by formulas alone (some 20 s a class)."""
        from pdplan.planner.break_even import break_evens

        return replace(self, break_evens=break_evens(self.scenario).classes)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what each class costs split and colocated (extra ``plot``) and return the axes.

        ``report.verdicts[i].plot()`` draws the two ledgers of a class.
        """
        from pdplan.planner.plot_split import plot_verdicts

        return plot_verdicts(self.verdicts, ax)

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        found = {"break_evens": [b.document() for b in self.break_evens]} if self.break_evens else {}
        return {
            "schema": "pdplan.split/1",
            "version": __version__,
            "scenario": self.scenario.model_dump(mode="json", exclude_none=True),
            "split_all": bool(self),
            "verdicts": [v.document() for v in self.verdicts],
            **found,
        }

    def __str__(self) -> str:
        """Read like an engineer's note."""
        from pdplan.planner.split_text import split_note

        return split_note(self, width=80)


def split(
    scenario: Scenario, *, verify: bool = True, requests: int | None = None, seed: int = 0
) -> SplitReport:
    """Say for each class, on its own traffic, whether prefill and decode should be split.

    Parameters
    ----------
    scenario : Scenario
    verify : bool
        Settle by simulation what formulas leave undetermined.
    requests, seed : int
        Of each simulation.

    Raises
    ------
    ScenarioError
        A name or length that is wrong.

    Examples
    --------
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> [v.name for v in split(builtin_scenario(), verify=False).verdicts]
    ['chat']
    """
    verdicts = split_problem(assemble(scenario))
    return SplitReport(scenario, settled_verdicts(verdicts, Settling(requests, seed)) if verify else verdicts)


@dataclass(frozen=True, slots=True)
class Settling:
    """How to settle by simulation what formulas leave undetermined."""

    requests: int | None = None
    seed: int = 0

    def colocated(self, problem: Problem, colocated: Colocated, split_usd_per_hour: float) -> Colocated:
        """Narrow the colocated bracket."""
        from pdplan.planner.settle import settle_colocated  # the engine loads here
        from pdplan.planner.verification import DEFAULT_REQUESTS

        number = DEFAULT_REQUESTS if self.requests is None else self.requests
        return settle_colocated(problem, colocated, split_usd_per_hour, requests=number, seed=self.seed)


def split_problem(problem: Problem) -> tuple[ClassVerdict, ...]:
    """Return the verdict of every class alone, by formulas."""
    return tuple(alone(problem.only(index)) for index in range(len(problem.traffic)))


def alone(problem: Problem) -> ClassVerdict:
    """Return the verdict of a problem of one class, by formulas."""
    search = Search(problem)
    colocated = size_colocated(problem)
    try:
        best = search.best()
    except InfeasibleError:
        return class_verdict(problem, None, None, colocated, None)
    chosen = search.evaluator.fleet(best.prefill, best.prefill_count, best.decode, best.decode_count)
    return class_verdict(problem, chosen, judge(chosen), colocated, fractional_need(search, best, chosen))


def settled_verdicts(verdicts: Sequence[ClassVerdict], settle: Settling) -> tuple[ClassVerdict, ...]:
    """Settle the undetermined ones by simulating colocated fleets inside their brackets."""
    return tuple(v if v.reason != "undetermined" else _settled(v, settle) for v in verdicts)


def _settled(verdict: ClassVerdict, settle: Settling) -> ClassVerdict:
    chosen, fleet = verdict.basis, verdict.fleet
    if chosen is None or fleet is None:
        return verdict
    narrowed = settle.colocated(chosen.problem, verdict.colocated, fleet.cost.usd_per_hour)
    if narrowed is verdict.colocated:
        return verdict
    return class_verdict(chosen.problem, chosen, fleet, narrowed, verdict.need)


def class_verdict(
    problem: Problem,
    chosen: Disaggregated | None,
    fleet: Fleet | None,
    colocated: Colocated,
    need: Need | None,
) -> ClassVerdict:
    """Decide for a problem of one class."""
    ledger = None if chosen is None else ledger_of(chosen, colocated)
    reason, why = decide(fleet, colocated, ledger, need)
    if reason == "slow_link" and fleet is not None and not _faster_link_helps(problem, fleet, colocated):
        reason, why = _not_the_link(problem, fleet.cost.usd_per_hour, colocated)
    return ClassVerdict(problem.traffic[0].name, reason, why, ledger, fleet, colocated, need, chosen)


def _faster_link_helps(problem: Problem, fleet: Fleet, colocated: Colocated) -> bool:
    """Whether a split fleet is as cheap as the colocated one over a much faster link.

    A rule of thumb calls a link slow by what a transfer takes; what it costs is asked of the search.
    """
    if colocated.cost is None or fleet.cost.usd_per_hour <= colocated.cost.usd_per_hour + TIE_USD:
        return True
    try:
        return BoundedSearch(with_link(problem, FASTER)).within(colocated.cost.usd_per_hour) is not None
    except InfeasibleError:
        return False


def _not_the_link(problem: Problem, usd: float, colocated: Colocated) -> tuple[Reason, str]:
    """Name the reason of a split fleet that costs more over any link: whole instances, or nothing to cure."""
    from pdplan.planner.break_even_state import state_of  # which asks for verdicts

    more = usd - (usd if colocated.cost is None else colocated.cost.usd_per_hour)
    if state_of(scaled(problem, LARGER)) == "split":
        return (
            "fleet_too_small",
            f"whole instances cost {more:.2f} USD/h more; at a larger rate a split fleet costs less",
        )
    return "no_interference", f"costs {more:.2f} USD/h more; the objectives tolerate the interference"


def ledger_of(fleet: Disaggregated, colocated: Colocated) -> Ledger:
    """Price both ledgers at the fleet's operating point, for a request of mean prompt length."""
    problem = fleet.problem
    mix = problem.demand
    clean = fleet.decode.itl_value(None)
    prefill = fleet.prefill.prefill_s(mix)
    mean_prefill = mix.mean(prefill)
    transfer = mix.mean(fleet.link.transfer_s(mix))
    visible = mix.mean(fleet.link.visible_transfer_s(mix, prefill))
    chunk = chunk_seconds(fleet, mean_prefill)
    gap = colocated.classes[0].itl if colocated.classes else None
    itl = gap.quantile_s(0.99) if gap else None
    return Ledger(
        clean_step_s=clean,
        chunk_s=chunk,
        colocated_itl_p99_s=itl,
        split_itl_p99_s=fleet.decode.itl_value(0.99),
        prefill_s=mean_prefill,
        transfer_s=transfer,
        visible_transfer_s=visible,
        payload_bytes=mix.mean(problem.payload_bytes(mix)),
        verdict=disagg_wins(clean, chunk, visible, mean_prefill),
    )


def chunk_seconds(fleet: Disaggregated, mean_prefill_s: float) -> float:
    """What a chunk adds to a decode step: the whole prefill, if that is less or the engine does not chunk."""
    scenario = fleet.problem.scenario
    if scenario.colocated.discipline == "prefill_first":
        return mean_prefill_s
    law = fleet.decode.law
    batch = max(1.0, law.mean_batch)
    context = batch * law.work.mean_context
    tokens = min(float(scenario.colocated.chunk_tokens), fleet.problem.demand.mean_prompt_tokens)
    model = fleet.decode.option.latency
    mixed = float(model.mixed_step_s(batch, context, tokens, tokens**2))
    return max(0.0, mixed - float(model.decode_step_s(batch, context)))
