"""`replan`: whether a fleet still does when the workload has changed, and the smallest change if not.

DistServe replans when the traffic shifts (Zhong et al. 2024, section 4.3): weights are loaded again,
instances join and leave; so the fewest GPUs that move make the least trouble.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from pdplan._version import __version__
from pdplan.errors import UnstableError
from pdplan.planner.binding import broken, tightest
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.judge import judge
from pdplan.planner.problem import Problem, assemble
from pdplan.planner.result import Fleet
from pdplan.planner.search import MORE_DECODE, Candidate, Search, smallest_up_to
from pdplan.planner.simulation import chosen_fleet
from pdplan.planner.sizing import find, stated_fleet
from pdplan.spec.pools import FixedPool
from pdplan.spec.scenario import Scenario

Decision = Literal["keep", "add", "new"]


@dataclass(frozen=True, eq=False)
class Replan:
    """What to do with a fleet under a new workload.

    ``decision``: ``keep`` it, ``add`` instances of the kinds it has, or build a ``new`` one because no number
    of its instances would do. ``old`` is the fleet under the new workload, None if it is overloaded.
    ``added`` are (prefill, decode) instances; ``cheapest`` is what a plan from nothing would choose.
    """

    scenario: Scenario
    decision: Decision
    reason: str
    old_label: str
    old_counts: tuple[int, int]
    old_usd_per_hour: float
    old: Fleet | None
    fleet: Fleet
    added: tuple[int, int]
    added_gpus: int
    cheapest: Fleet

    def __bool__(self) -> bool:
        """Truthy iff the fleet can stay."""
        return self.decision == "keep"

    def document(self) -> dict[str, Any]:
        """Return the JSON document: stable, versioned, without timings or dates."""
        return {
            "schema": "pdplan.replan/1",
            "version": __version__,
            "scenario": self.scenario.model_dump(mode="json", exclude_none=True),
            "decision": self.decision,
            "reason": self.reason,
            "old_fleet": {
                "label": self.old_label,
                "usd_per_hour": float(f"{self.old_usd_per_hour:.10g}"),
                "under_new_workload": None if self.old is None else self.old.document(),
            },
            "add": {"prefill": self.added[0], "decode": self.added[1], "gpus": self.added_gpus},
            "fleet": self.fleet.document(),
            "cheapest": self.cheapest.document(),
        }

    def __str__(self) -> str:
        """Return the decision, its reason, and what a new plan would choose."""
        from pdplan.planner.replan_text import replan_text

        return replan_text(self)


def replan(old: Scenario, new: Scenario) -> Replan:
    """Judge the fleet of one scenario under the workload of another, by formulas.

    Parameters
    ----------
    old : Scenario
        Its stated fleet, else its planned one, is what stands there now.
    new : Scenario
        What comes: its traffic, objectives and hardware hold.

    Raises
    ------
    InfeasibleError
        The old scenario has no fleet, or no fleet at all meets the objectives of the new one.

    Examples
    --------
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> replan(builtin_scenario(), builtin_scenario()).decision
    'keep'
    """
    standing = chosen_fleet(old)
    p, d = standing.prefill, standing.decode
    problem = assemble(new)
    search = Search(problem)
    now = stated_fleet(
        search,
        FixedPool(count=p.count, **asdict(p.option.degrees)),
        FixedPool(count=d.count, **asdict(d.option.degrees)),
    )
    reason, judged = _under_new(now)
    counts = (p.count, d.count)
    best = find(search)
    cheapest = judge(_fleet(search, best))
    usd = counts[0] * now.prefill.option.price_usd_per_hour + counts[1] * now.decode.option.price_usd_per_hour
    label = f"{counts[0]} prefill {p.option.label} + {counts[1]} decode {d.option.label}"
    if judged is not None and judged.status == "met":
        found: tuple[Decision, Fleet, tuple[int, int]] = ("keep", judged, (0, 0))
        reason = f"every objective is met; tightest: {tightest(judged)}"
    else:
        grown = smallest_growth(problem, now)
        if grown is None:
            found = ("new", cheapest, (0, 0))
            reason = f"{reason}; no number of these instances would do"
        else:
            added = grown.prefill_count - counts[0], grown.decode_count - counts[1]
            found = ("add", judge(_fleet(search, grown)), added)
    decision, fleet, added = found
    gpus = added[0] * now.prefill.option.gpus + added[1] * now.decode.option.gpus
    return Replan(new, decision, reason, label, counts, usd, judged, fleet, added, gpus, cheapest)


def _fleet(search: Search, best: Candidate) -> Disaggregated:
    return search.evaluator.fleet(best.prefill, best.prefill_count, best.decode, best.decode_count)


def _under_new(fleet: Disaggregated) -> tuple[str, Fleet | None]:
    """Say what the fleet misses, and report it where it is not overloaded."""
    try:
        judged = judge(fleet)
    except UnstableError as error:
        return str(error).split(":")[0], None
    return ("" if judged.status == "met" else broken(fleet)), judged


def smallest_growth(problem: Problem, now: Disaggregated) -> Candidate | None:
    """Return the fleet with the fewest GPUs added to both pools that meets the objectives; None if none does.

    Of equals the cheaper. Taking instances away never helps an objective: only additions are tried.
    """
    prefill, decode = now.prefill.option, now.decode.option
    search = Search(problem.with_kinds(prefill, decode))
    start = smallest_up_to(lambda n: search.decode_meets(decode, n), now.decode.count)
    if start is None:
        return None
    if not search.reachable(prefill, decode, start):
        start = smallest_up_to(lambda n: search.reachable(prefill, decode, n), start + 1)
        if start is None:
            return None
    least = max(now.prefill.count, search.smallest_prefill_stable(prefill))
    found: list[Candidate] = []
    for count in range(start, start + 1 + MORE_DECODE):
        number = smallest_up_to(
            lambda n, count=count: search.fleet_meets(  # type: ignore[misc]
                search.evaluator.fleet(prefill, n, decode, count)
            ),
            least,
        )
        if number is not None:
            found.append(Candidate(prefill, number, decode, count))
            if number == least:
                break
    return min(found, key=lambda c: (c.gpus, c.order), default=None)
