"""What a placement says: the instances chosen, their goodput, how many, and what the engine saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pdplan._version import __version__
from pdplan.planner.instances import InstanceOption
from pdplan.planner.judge import cost_of
from pdplan.planner.placement_options import Room
from pdplan.planner.problem import Problem
from pdplan.planner.result import Cost
from pdplan.trust import Trust


@dataclass(frozen=True, slots=True)
class Unit:
    """What a goodput is of: one instance of a phase, or a pair.

    ``partner_rate``: goodput of the phase that was chosen first [1/s]; 0 where it is not known yet.
    """

    prefill: InstanceOption
    decode: InstanceOption
    of: Literal["prefill", "decode", "pair"]
    partner_rate: float = 0.0

    @property
    def gpus(self) -> int:
        """GPUs that count."""
        if self.of == "pair":
            return self.prefill.gpus + self.decode.gpus
        return self.option.gpus

    @property
    def option(self) -> InstanceOption:
        """The instance of a phase; of a pair, its prefill."""
        return self.decode if self.of == "decode" else self.prefill


@dataclass(frozen=True, slots=True)
class Seen:
    """Goodput in the engine: between a rate that held and one that failed [1/s].

    ``rate`` is 0 where the search needed no more than that ``fails_at`` is too much.
    """

    rate: float
    fails_at: float
    requests: int
    seed: int
    failed: str

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "goodput": _number(self.rate),
            "fails_at": _number(self.fails_at),
            "failed": self.failed,
            "requests": self.requests,
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """One unit with its goodput by the formulas [1/s], what ends it, and what the engine saw."""

    unit: Unit
    formula: float
    by: str
    seen: Seen | None = None

    @property
    def option(self) -> InstanceOption:
        """The instance of a phase."""
        return self.unit.option

    @property
    def rate(self) -> float:
        """Goodput: simulated where it was [1/s]."""
        return self.formula if self.seen is None else self.seen.rate

    @property
    def per_gpu(self) -> float:
        """Goodput per GPU [1/s]."""
        return self.rate / self.unit.gpus

    @property
    def beaten(self) -> bool:
        """Whether the engine only showed that it is not the best."""
        return self.seen is not None and self.seen.rate == 0.0

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        u = self.unit
        kinds = {"prefill": u.prefill, "decode": u.decode}
        shown = kinds if u.of == "pair" else {u.of: u.option}
        return {
            **{role: {"tp": o.tp, "pp": o.pp} for role, o in shown.items()},
            "gpus": u.gpus,
            "goodput": _number(self.rate),
            "goodput_per_gpu": _number(self.per_gpu),
            "formula": _number(self.formula),
            "limited_by": self.by,
            "simulated": None if self.seen is None else self.seen.document(),
        }


@dataclass(frozen=True, eq=False)
class Placement:
    """Prefill and decode instances as DistServe's algorithms place them.

    Attributes
    ----------
    problem : Problem
        What was asked; with low affinity its link is the node's own.
    affinity : str
        ``high`` or ``low``.
    room : Room
        GPUs of a node, nodes of an instance.
    prefill, decode : Choice
        What was chosen; with low affinity both are the same pair.
    prefill_count, decode_count : int
        For the scenario's rate.
    considered : int
        Instances (high) or pairs (low) in the space searched.
    rows : tuple of Choice
        What was solved, best first; what is missing was bounded below the best.
    missed : str, optional
        What all that is bought misses at the scenario's rate in the engine: nothing (empty), or an
        objective; None where it was not simulated.
    """

    problem: Problem
    affinity: str
    room: Room
    prefill: Choice
    decode: Choice
    prefill_count: int
    decode_count: int
    considered: int
    rows: tuple[Choice, ...]
    missed: str | None = None

    @property
    def prefill_option(self) -> InstanceOption:
        """The kind of prefill instance."""
        return self.prefill.unit.prefill

    @property
    def decode_option(self) -> InstanceOption:
        """The kind of decode instance."""
        return self.decode.unit.decode

    @property
    def gpus(self) -> int:
        """GPUs for the scenario's rate."""
        return self.prefill_count * self.prefill_option.gpus + self.decode_count * self.decode_option.gpus

    @property
    def goodput(self) -> float:
        """Largest rate of all that is bought [1/s]."""
        return min(self.prefill_count * self.prefill.rate, self.decode_count * self.decode.rate)

    @property
    def goodput_per_gpu(self) -> float:
        """Goodput of all that is bought, per GPU [1/s]: with low affinity, that of the pair."""
        return self.goodput / self.gpus

    @property
    def cost(self) -> Cost:
        """Price for the scenario's rate."""
        pools = [(self.prefill_option, self.prefill_count), (self.decode_option, self.decode_count)]
        return cost_of(self.problem, pools)

    @property
    def trust(self) -> Trust:
        """Simulated where the engine settled it, else approximate."""
        return Trust.APPROXIMATE if self.prefill.seen is None else Trust.SIMULATED

    def document(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "schema": "pdplan.placement/1",
            "version": __version__,
            "affinity": self.affinity,
            "node_gpus": self.room.node_gpus,
            "nodes": self.room.nodes,
            "rate": self.problem.demand.arrival_rate,
            "prefill": _pool(self.prefill_option, self.prefill_count),
            "decode": _pool(self.decode_option, self.decode_count),
            "goodput": _number(self.goodput),
            "goodput_per_gpu": _number(self.goodput_per_gpu),
            "gpus": self.gpus,
            "usd_per_hour": _number(self.cost.usd_per_hour),
            "missed": self.missed,
            "considered": self.considered,
            "solved": [c.document() for c in self.rows],
            "trust": str(self.trust),
        }

    def __str__(self) -> str:
        """The answer, the engine's word, then what came next."""
        from pdplan.planner.placement_text import text

        return text(self)


def _pool(option: InstanceOption, count: int) -> dict[str, int]:
    return {"count": count, "tp": option.tp, "pp": option.pp, "gpus": count * option.gpus}


def _number(x: float) -> float:
    return float(f"{x:.10g}")
