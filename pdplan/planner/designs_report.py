"""What a search over designs says: the designs in order, why each is as it is, how large the space was."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pdplan._version import __version__
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.designs_reasons import one_fewer, tightest
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.result import Cost
from pdplan.spec.scenario import Scenario
from pdplan.spec.search_space import ObjectiveName

if TYPE_CHECKING:
    from pdplan.planner.verification import Verification

Basis = Literal["formulas", "formulas and simulation", "simulation"]


@dataclass(frozen=True, eq=False)
class Pools:
    """The pools of one group of classes.

    ``verification`` is what a simulation said of them, if there was one.
    """

    architecture: str
    parts: tuple[str, ...]
    fleet: Disaggregated | ColocatedFleet = field(repr=False)
    verification: Verification | None = None

    @property
    def label(self) -> str:
        """E.g. ``1 prefill TP4 + 2 decode TP4 on h100-sxm-80gb``."""
        fleet = self.fleet
        if isinstance(fleet, ColocatedFleet):
            name, chunk = fleet.option.accelerator.name, fleet.problem.scenario.colocated.chunk_tokens
            return f"{fleet.count} colocated {fleet.option.label} on {name}, {chunk}-token steps"
        p, d = fleet.prefill, fleet.decode
        here, there = p.option.accelerator.name, d.option.accelerator.name
        first = f"{p.count} prefill {p.option.label}" + (f" on {here}" if here != there else "")
        return f"{first} + {d.count} decode {d.option.label} on {there}"

    @cached_property
    def tightest(self) -> tuple[float, str]:
        """Least room as a share of its limit, and of what."""
        slack, what = tightest(self.fleet)
        settled = slack < 0 and self.verification is not None and self.verification.holds == "holds"
        return slack, f"{what}; in simulation it holds" if settled else what

    @cached_property
    def one_fewer(self) -> tuple[str, ...]:
        """What breaks with one instance fewer in each pool."""
        return one_fewer(self.fleet)

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        slack, what = self.tightest
        return {
            "architecture": self.architecture,
            "classes": list(self.parts),
            "pools": [_pool(*row) for row in self._rows],
            "tightest": {"slack": _round(slack), "what": what},
            "one_fewer": list(self.one_fewer),
            "simulation": None if self.verification is None else self.verification.document(),
        }

    @property
    def _rows(self) -> list[tuple[str, Any, int, dict[str, int]]]:
        fleet = self.fleet
        if isinstance(fleet, ColocatedFleet):
            pool = fleet.problem.scenario.colocated
            extra = {"max_batch": pool.max_batch, "chunk_tokens": pool.chunk_tokens}
            return [("colocated", fleet.option, fleet.count, extra)]
        cap = {"max_batch": fleet.problem.scenario.decode.max_batch}
        p, d = fleet.prefill, fleet.decode
        return [("prefill", p.option, p.count, {}), ("decode", d.option, d.count, cap)]


def _pool(role: str, option: Any, count: int, extra: dict[str, int]) -> dict[str, Any]:
    row = {"role": role, "accelerator": option.accelerator.name, "count": count}
    return {**row, **asdict(option.degrees), "gpus": count * option.gpus, **extra}


@dataclass(frozen=True, eq=False)
class Design:
    """One way to serve all classes, with the smallest fleet that does.

    ``status``: ``met``, or ``undetermined`` where only the optimistic end of a bracket meets the objectives.
    ``basis``: what says so, for each of its groups of pools: formulas, or the engine too.
    """

    label: str
    pools: tuple[Pools, ...]
    cost: Cost
    value: float
    status: Literal["met", "undetermined"]
    basis: Basis

    @property
    def tightest(self) -> tuple[float, str]:
        """Least room of any group of pools."""
        return min(p.tightest for p in self.pools)

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "label": self.label,
            "status": self.status,
            "basis": self.basis,
            "objective_value": _round(self.value),
            "cost": self.cost.document(),
            "tightest": {"slack": _round(self.tightest[0]), "what": self.tightest[1]},
            "groups": [p.document() for p in self.pools],
        }


@dataclass(frozen=True, slots=True)
class SpaceSize:
    """How much there was to choose from, and how much of it was looked at.

    ``designs``: ways times the kinds of instance that each of their pools may be built of; the counts of
    instances are solved for. ``judged``: fleets held against exact laws; bounds ruled out the rest, none of
    which is below ``rest_at_least`` (None: no other way has a fleet). ``given_up``: ways left unfinished.
    """

    ways: int
    prefill_kinds: int
    decode_kinds: int
    colocated_kinds: int
    designs: int
    judged: int
    simulated: int
    rest_at_least: float | None
    given_up: int
    restricted: bool

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "ways": self.ways,
            "restricted": self.restricted,
            "kinds": {
                "prefill": self.prefill_kinds,
                "decode": self.decode_kinds,
                "colocated": self.colocated_kinds,
            },
            "designs": self.designs,
            "judged": self.judged,
            "simulated": self.simulated,
            "rest_at_least": None if self.rest_at_least is None else _round(self.rest_at_least),
            "given_up": self.given_up,
        }


@dataclass(frozen=True, eq=False)
class DesignReport:
    """Every way to build the fleet, in order.

    ``designs`` meet every objective, best first. ``undetermined`` may meet them for less than the best does.
    """

    scenario: Scenario
    objective: ObjectiveName
    designs: tuple[Design, ...]
    undetermined: tuple[Design, ...]
    space: SpaceSize
    unverified: str = ""

    @property
    def best(self) -> Design:
        """The winner; where no design surely meets every objective, the first of those that may."""
        return (self.designs or self.undetermined)[0]

    @property
    def runner_up(self) -> Design | None:
        """The second way, if there is one."""
        return self.designs[1] if len(self.designs) > 1 else None

    @property
    def why_runner_up_lost(self) -> str:
        """What the runner-up takes more, and what keeps it from being smaller."""
        second = self.runner_up
        if second is None:
            return ""
        from pdplan.planner.designs_note import why_lost

        return why_lost(self.best, second, self.objective)

    def document(self) -> dict[str, Any]:
        """Return the JSON document: stable, versioned, without timings or dates."""
        return {
            "schema": "pdplan.designs/1",
            "version": __version__,
            "scenario": self.scenario.model_dump(mode="json", exclude_none=True),
            "objective": self.objective,
            "designs": [d.document() for d in self.designs],
            "undetermined": [d.document() for d in self.undetermined],
            "why_runner_up_lost": self.why_runner_up_lost,
            "space": self.space.document(),
            "unverified": self.unverified,
        }

    def __str__(self) -> str:
        """Read like an engineer's note, 80 columns wide."""
        from pdplan.planner.designs_note import designs_note

        return designs_note(self, width=80)


def _round(x: float) -> float:
    return float(f"{x:.10g}")
