"""What a search over designs makes small, and what it may use: objective, stock, whole nodes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from pdplan.planner.instances import InstanceOption
from pdplan.spec.scenario import Scenario
from pdplan.spec.search_space import ObjectiveName, SearchSpace


class Key(NamedTuple):
    """The order of designs: the objective, then price, GPUs, colocated pools, instances and TP; least first.

    At the same price and size a split pool goes before a colocated one: its decode steps are cleaner.
    """

    objective: float
    usd_per_hour: float
    gpus: float
    colocated: int
    instances: int
    tp: int

    def plus(self, other: Key) -> Key:
        """Add two fleets; rounded, so that the order of adding does not matter."""
        return Key(
            round(self.objective + other.objective, 6),
            round(self.usd_per_hour + other.usd_per_hour, 6),
            self.gpus + other.gpus,
            self.colocated + other.colocated,
            self.instances + other.instances,
            self.tp + other.tp,
        )


NOTHING = Key(0.0, 0.0, 0.0, 0, 0, 0)

#: GPUs of each accelerator, in the order of the yardstick.
Gpus = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Price, power, stock and node size of every accelerator in the search."""

    objective: ObjectiveName
    names: tuple[str, ...]
    usd_per_hour: tuple[float, ...]
    power_w: tuple[float, ...]
    stock: tuple[float, ...]
    node_gpus: tuple[int, ...]  #: 1 where GPUs are bought one by one

    @classmethod
    def of(cls, scenario: Scenario, space: SearchSpace, options: list[InstanceOption]) -> Yardstick:
        """Collect the accelerators of the options."""
        seen = {o.accelerator.name: o for o in options}
        whole = scenario.node.whole_nodes
        return cls(
            space.objective,
            tuple(seen),
            tuple(o.price_usd_per_hour / o.gpus for o in seen.values()),
            tuple(o.accelerator.power_w for o in seen.values()),
            tuple(float(space.stock.get(name, math.inf)) for name in seen),
            tuple((scenario.node.gpus or o.accelerator.gpus_per_node) if whole else 1 for o in seen.values()),
        )

    @property
    def whole_nodes(self) -> bool:
        """Whether what is bought may be more than what is used."""
        return any(n > 1 for n in self.node_gpus)

    def gpus(self, *pools: tuple[InstanceOption, int]) -> Gpus:
        """GPUs of each accelerator in these pools."""
        use = dict.fromkeys(self.names, 0)
        for option, count in pools:
            use[option.accelerator.name] += option.gpus * count
        return tuple(use.values())

    def key(self, gpus: Gpus, colocated: int = 0, instances: int = 0, tp: int = 0) -> Key:
        """Rank a fleet that uses these GPUs."""
        usd = sum(n * each for n, each in zip(gpus, self.usd_per_hour, strict=True))
        total = float(sum(gpus))
        if self.objective == "cost":
            value = usd
        elif self.objective == "gpus":
            value = total
        else:
            value = sum(n * each for n, each in zip(gpus, self.power_w, strict=True))
        return Key(round(value, 6), round(usd, 6), total, colocated, instances, tp)

    def bought(self, gpus: Gpus) -> Gpus:
        """GPUs that are paid for: whole nodes where asked."""
        return tuple(math.ceil(n / node) * node for n, node in zip(gpus, self.node_gpus, strict=True))

    def fits(self, gpus: Gpus) -> bool:
        """Whether the stock holds them."""
        return all(n <= most for n, most in zip(self.bought(gpus), self.stock, strict=True))


def within(some: Gpus, more: Gpus) -> bool:
    """Whether ``some`` uses no more of any accelerator than ``more``."""
    return all(a <= b for a, b in zip(some, more, strict=True))


def together(uses: list[Gpus]) -> Gpus:
    """Sum of the GPUs of several fleets."""
    return tuple(sum(column) for column in zip(*uses, strict=True))
