"""What the engine says of fleets in a search over designs: each simulated once, a stated number at most."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pdplan.errors import InputError, UnstableError
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.designs_ascending import Ascending, Branch, Count, Found
from pdplan.planner.designs_colocated import ColocatedGroup
from pdplan.planner.designs_split import SplitGroup
from pdplan.planner.designs_yardstick import Gpus, Key
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.search import MAX_INSTANCES

if TYPE_CHECKING:
    from pdplan.planner.verification import Verification

#: Most fleets of either architecture that are simulated for one report.
MOST_SIMULATIONS = 24
#: A split fleet is enlarged so often before it is given up.
MOST_STEPS = 8
#: Colocated fleets beyond this size are not simulated.
MOST_INSTANCES = 512


@dataclass(eq=False)
class Engine:
    """Simulates fleets, each once; past `MOST_SIMULATIONS` it knows nothing more."""

    requests: int
    seed: int
    seen: dict[int, Verification | None] = field(default_factory=dict)
    fleets: list[Disaggregated | ColocatedFleet] = field(default_factory=list)

    def says(self, fleet: Disaggregated | ColocatedFleet) -> Verification | None:
        """Return what the engine says of a fleet; None where it is not asked any more."""
        if id(fleet) not in self.seen:
            large = isinstance(fleet, ColocatedFleet) and fleet.count > MOST_INSTANCES
            alike = sum(type(f) is type(fleet) for f in self.fleets)
            if large or alike >= MOST_SIMULATIONS:
                return None
            self.fleets.append(fleet)  # keeps the fleet, and with it its id
            self.seen[id(fleet)] = self._run(fleet)
        return self.seen[id(fleet)]

    def _run(self, fleet: Disaggregated | ColocatedFleet) -> Verification | None:
        from pdplan.planner.settle_steps import MORE_REQUESTS
        from pdplan.planner.verification import verify  # the engine loads here

        try:
            first = verify(fleet, requests=self.requests, seed=self.seed)
            if first.holds != "open":
                return first
            return verify(fleet, requests=MORE_REQUESTS * self.requests, seed=self.seed)
        except (UnstableError, InputError):  # what the engine cannot run it says nothing of
            return None

    def known(self, fleet: Disaggregated | ColocatedFleet) -> Verification | None:
        """Return what the engine said, without asking it."""
        return self.seen.get(id(fleet))


def settled_colocated(group: ColocatedGroup, engine: Engine) -> list[Branch]:
    """Branches of fleets that hold in simulation, or surely by formulas without being contradicted."""

    def branch(count: Count, enough: Count) -> Count:
        def meets(n: int) -> bool:
            if not count.meets(n):
                return False
            seen = engine.says(count.fleet(n).fleet)
            if enough.meets(n):
                return seen is None or seen.holds != "fails"
            return seen is not None and seen.holds == "holds"

        return replace(count, meets=meets, start=MAX_INSTANCES)  # never asks for a fleet far away

    return [
        branch(low, high)  # type: ignore[arg-type]
        for low, high in zip(group.branches(0), group.branches(1), strict=True)
    ]


def open_colocated(group: ColocatedGroup, engine: Engine) -> list[Branch]:
    """Branches of fleets that may meet every objective and that no simulation has contradicted."""

    def branch(count: Count) -> Count:
        def meets(n: int) -> bool:
            seen = engine.known(count.fleet(n).fleet)
            return count.meets(n) and not (seen is not None and seen.holds == "fails")

        return replace(count, meets=meets)

    return [branch(low) for low in group.branches(0)]  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False, slots=True)
class InOrder:
    """The fleets that formulas found, from a place on: each goes to the engine before it counts."""

    group: SplitGroup
    formulas: Ascending
    engine: Engine
    nothing: Gpus
    place: int = 0

    @property
    def gpus(self) -> Gpus:
        """Not known before the fleet is."""
        return self.nothing

    @property
    def key(self) -> Key:
        """Of the fleet at this place."""
        key = self.formulas.key(self.place)
        return self.group.yardstick.key(self.nothing) if key is None else key

    def open(self) -> Iterable[Branch | Found]:
        """Find the fleet at this place, and the branch of those after it."""
        if self.place < len(self.formulas.found):
            fleet = self.formulas.found[self.place]
            return [Unproven(self.group, fleet, self.engine), replace(self, place=self.place + 1)]
        if self.formulas.key(self.place) is None:
            return []
        self.formulas.step()
        return [self]


@dataclass(frozen=True, eq=False, slots=True)
class Unproven:
    """A fleet that meets its objectives by formulas; where a simulation contradicts it, it grows by one."""

    group: SplitGroup
    found: Found
    engine: Engine
    steps: int = 0

    @property
    def gpus(self) -> Gpus:
        """Of the fleet."""
        return self.found.gpus

    @property
    def key(self) -> Key:
        """Of the fleet."""
        return self.found.key

    def open(self) -> Iterable[Branch | Found]:
        """Simulate."""
        fleet = self.found.fleet
        assert isinstance(fleet, Disaggregated)
        seen = self.engine.says(fleet)
        if seen is None or seen.holds != "fails":
            return [self.found]
        if self.steps == MOST_STEPS:
            return []
        metrics = {getattr(c.target, "metric", "joint") for c in seen.failing}
        more_decode = bool(metrics & {"tpot", "itl"}) or (
            not metrics and fleet.decode.utilization > fleet.prefill.utilization
        )
        larger = self.group.larger(fleet, decode=int(more_decode), prefill=int(not more_decode))
        return [replace(self, found=larger, steps=self.steps + 1)]
