"""The plan: the answer, its reason, its margin, and what stands beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pdplan._version import __version__
from pdplan.errors import InputError, did_you_mean
from pdplan.planner.benchmark import BenchmarkArithmetic
from pdplan.planner.result import Binding, ClassPlan, Colocated, Cost, Fleet, Need
from pdplan.planner.verdict import ClassVerdict
from pdplan.spec.scenario import Scenario
from pdplan.symbolic import Derivation, Shown, show_derivation, with_chain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pdplan.planner.break_even_answer import BreakEvenReport
    from pdplan.planner.doubt_answer import Doubt
    from pdplan.planner.headroom import FleetBreakEven
    from pdplan.planner.outlook import Outlook
    from pdplan.planner.replay import Replay
    from pdplan.planner.runner_up import RunnerUp
    from pdplan.planner.sensitivity_report import Sensitivity
    from pdplan.planner.spares_report import Spares
    from pdplan.planner.verification import Verification


@dataclass(frozen=True, eq=False)
class Plan:
    """The cheapest fleet that meets every objective.

    ``print(plan)`` reads like an engineer's note; `document` is the JSON form; `explain` shows the working.
    """

    scenario: Scenario
    fleet: Fleet
    need: Need
    binding: Binding
    colocated: Colocated
    verdicts: tuple[ClassVerdict, ...]
    considered: int
    defaults: tuple[tuple[str, str], ...]
    stated: Fleet | None = None
    benchmark: BenchmarkArithmetic | None = None
    rejected: tuple[str, ...] = ()
    verification: Verification | None = None
    replay: Replay | None = None
    unverified: str = "not asked for"
    basis: Any = field(default=None, repr=False)

    @cached_property
    def derivations(self) -> tuple[Derivation, ...]:
        """The working behind every number of the plan, gathered when first asked for."""
        from pdplan.planner.derive import plan_derivations

        return plan_derivations(self)

    @cached_property
    def runner_up(self) -> RunnerUp | None:
        """The cheapest fleet of other instances that surely meets the objectives; None without one."""
        from pdplan.planner.runner_up import runner_up

        return runner_up(self)

    @cached_property
    def outlook(self) -> Outlook:
        """The five lines that the text shows around the plan, found when first asked for."""
        from pdplan.planner.outlook import outlook

        return outlook(self)

    @cached_property
    def headroom(self) -> tuple[FleetBreakEven, ...]:
        """How far each input may move before this fleet no longer does, by formulas."""
        from pdplan.planner.headroom import Headroom

        return tuple(Headroom(self.basis.chosen))

    @cached_property
    def break_evens(self) -> BreakEvenReport:
        """Where the verdict of each class flips along each input, by formulas; takes seconds."""
        from pdplan.planner.break_even import break_evens_of

        return break_evens_of(self.scenario, self.basis.search.problem)

    @cached_property
    def sensitivities(self) -> Sensitivity:
        """How latencies and cost move with each input.

        Raises
        ------
        InfeasibleError
            The fleet is overloaded by formulas (a simulation chose it).
        """
        from pdplan.planner.sensitivity_report import sensitivity_of

        return sensitivity_of(self.scenario, self.basis.search, self.basis.best)

    @cached_property
    def doubt(self) -> Doubt:
        """How sure this fleet is to hold when its inputs are off.

        Raises
        ------
        ScenarioError
            Nothing is in doubt.
        """
        from pdplan.planner.doubt_report import doubt_of

        return doubt_of(self.scenario, self.basis.chosen)

    @cached_property
    def spares(self) -> Spares:
        """Instances beyond the need that keep this fleet up.

        Raises
        ------
        InfeasibleError
            No number of spares reaches the target.
        """
        from pdplan.planner.spares_report import spares_of

        return spares_of(self.scenario, self.basis.chosen)

    @property
    def classes(self) -> tuple[ClassPlan, ...]:
        """What each class gets."""
        return self.fleet.classes

    @property
    def cost(self) -> Cost:
        """What the fleet costs."""
        return self.fleet.cost

    def explain(self, name: str) -> tuple[Shown, ...]:
        """Show how the quantities of that name came about: formula, numbers in it, value, source.

        A name selects itself and everything below it: ``ttft`` shows ``ttft.mean``, ``ttft.p99``, ...; then
        comes the chain beneath: the quantities that went into these, and those that went into them.

        Raises
        ------
        InputError
            No quantity has that name.
        """
        found = [d for d in self.derivations if d.name == name or d.name.startswith(name + ".")]
        if not found:
            known = sorted(
                {d.name for d in self.derivations} | {d.name.split(".")[0] for d in self.derivations}
            )
            hint = did_you_mean(name, known) or "; pdplan explain lists them"
            raise InputError(f"no quantity {name!r} in the plan{hint}")
        return tuple(show_derivation(d) for d in with_chain(found, self.derivations))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how much of its limit every station and every objective uses; needs the extra ``plot``.

        ``plan.classes[i].plot()`` draws the parts of a mean TTFT, ``plan.classes[i].ttft.plot()`` the law of
        one latency.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; the axes of a new figure without it.

        Raises
        ------
        InputError
            matplotlib is not installed.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from pdplan import builtin_scenario, plan
        >>> ax = plan(builtin_scenario(), verify=False).plot()
        >>> ax.get_xlabel(), [tick.get_text() for tick in ax.get_yticklabels()][:2]
        ('used of the limit [%]', ['prefill load', 'decode load'])
        >>> plt.close(ax.figure)
        """
        from pdplan.planner.plot_plan import plot_plan

        return plot_plan(self.fleet, ax)

    def document(self) -> dict[str, Any]:
        """Return the JSON document: stable, versioned, without timings or dates."""
        return {
            "schema": "pdplan.plan/1",
            "version": __version__,
            "feasible": True,
            "scenario": self.scenario.model_dump(mode="json", exclude_none=True),
            "fleet": self.fleet.document(),
            "need": self.need.document(),
            "binding": self.binding.document(),
            "colocated": self.colocated.document(),
            "verdicts": [v.document() for v in self.verdicts],
            "stated_fleet": None if self.stated is None else self.stated.document(),
            "benchmark_arithmetic": None if self.benchmark is None else self.benchmark.document(),
            "considered": self.considered,
            "rejected": list(self.rejected),
            "defaults": dict(self.defaults),
            "verification": None if self.verification is None else self.verification.document(),
            "replay": None if self.replay is None else self.replay.document(),
            "unverified": self.unverified if self.verification is None else "",
        }

    def full_document(self) -> dict[str, Any]:
        """Return `document` and everything around the plan, which takes seconds to work out."""
        from pdplan.planner.plan_blocks import blocks

        return {**self.document(), **blocks(self)}

    def __str__(self) -> str:
        """Read like an engineer's note, 80 columns wide."""
        from pdplan.planner.note import plan_note

        return plan_note(self, width=80)
