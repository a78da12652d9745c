"""Ways to serve the classes: which are split, which colocated, which share pools, where a class is cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final, Literal

import numpy as np

from pdplan.planner.evaluate import several
from pdplan.planner.problem import Array
from pdplan.planner.traffic import ClassTraffic
from pdplan.spec.search_space import SearchSpace

Architecture = Literal["split", "colocated"]

#: Up to so many classes every partition is a way; beyond, a stated few are.
MOST_CLASSES: Final = 4


@dataclass(frozen=True, slots=True)
class Group:
    """Classes (or parts of one) that share pools."""

    architecture: Architecture
    parts: tuple[str, ...]

    @property
    def label(self) -> str:
        """E.g. ``split: chat + rag``."""
        return f"{self.architecture}: {' + '.join(self.parts)}"


@dataclass(frozen=True, slots=True)
class Way:
    """Every class in one group."""

    groups: tuple[Group, ...]

    @property
    def label(self) -> str:
        """E.g. ``split: chat + rag; colocated: code``."""
        return "; ".join(g.label for g in self.groups)


@dataclass(frozen=True, slots=True)
class Cut:
    """A class in two parts by prompt length."""

    name: str
    prompt_tokens: float
    short: ClassTraffic
    long: ClassTraffic

    @property
    def groups(self) -> tuple[Group, Group]:
        """Short prompts colocated, long ones split."""
        return Group("colocated", (self.short.name,)), Group("split", (self.long.name,))


def cuts_of(traffic: ClassTraffic, space: SearchSpace) -> tuple[Cut, ...]:
    """Return the cuts of one class at the quantiles of its prompt length.

    Each part keeps every objective of the class. That is sufficient, not necessary: if both parts are within
    a mean, a percentile or a joint attainment, so is their mixture.
    """
    cuts: dict[float, Cut] = {}
    for quantile in space.length_quantiles:
        threshold = _quantile(traffic.demand.prompt_tokens, traffic.demand.weight, quantile)
        short = traffic.demand.prompt_tokens <= threshold
        if short.all() or threshold in cuts:
            continue
        parts = (
            _part(traffic, short, f"{traffic.name}[up to {threshold:.0f} tok]"),
            _part(traffic, ~short, f"{traffic.name}[above {threshold:.0f} tok]"),
        )
        if all(several(p.demand) for p in parts):  # a part without a second token has no TPOT to hold
            cuts[threshold] = Cut(traffic.name, threshold, *parts)
    return tuple(cuts.values())


def _quantile(values: Array, weight: Array, p: float) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    place = min(int(np.searchsorted(reached, p * (1 - 1e-12))), values.size - 1)
    return float(values[order][place])


def _part(traffic: ClassTraffic, mask: np.ndarray, name: str) -> ClassTraffic:
    demand = traffic.demand
    share = float(demand.weight[mask].sum())
    part = replace(
        demand,
        name=name,
        arrival_rate=demand.arrival_rate * share,
        prompt_tokens=demand.prompt_tokens[mask],
        output_tokens=demand.output_tokens[mask],
        weight=demand.weight[mask] / share,
        cached_tokens=None if demand.cached_tokens is None else demand.cached_tokens[mask],
    )
    return ClassTraffic(part, traffic.slo, traffic.lengths_source, traffic.traced)


def all_ways(names: Sequence[str], cuts: Mapping[str, Sequence[Cut]]) -> list[Way]:
    """Every partition of the classes, each block split or colocated; a class alone may also be cut.

    Examples
    --------
    >>> [w.label for w in all_ways(["chat"], {})]
    ['split: chat', 'colocated: chat']
    >>> [len(all_ways("abcd"[:n], {})) for n in (1, 2, 3, 4)]
    [2, 6, 22, 94]
    """
    return [
        Way(tuple(group for block in choice for group in block))
        for partition in partitions(list(names))
        for choice in product(*(_blocks(block, cuts) for block in partition))
    ]


def partitions(names: list[str]) -> Iterator[list[tuple[str, ...]]]:
    """Every way to put the names into groups.

    Examples
    --------
    >>> list(partitions(["a", "b"]))
    [[('a', 'b')], [('a',), ('b',)]]
    """
    if not names:
        yield []
        return
    first, rest = names[0], names[1:]
    for partition in partitions(rest):
        for i, block in enumerate(partition):
            yield [*partition[:i], (first, *block), *partition[i + 1 :]]
        yield [(first,), *partition]


def _blocks(block: tuple[str, ...], cuts: Mapping[str, Sequence[Cut]]) -> list[tuple[Group, ...]]:
    """Architectures of one block: split, colocated, or cut by prompt length where it is one class."""
    whole: list[tuple[Group, ...]] = [(Group("split", block),), (Group("colocated", block),)]
    return whole + [cut.groups for cut in cuts.get(block[0], ()) if len(block) == 1]


def few_ways(names: Sequence[str], verdicts: Mapping[str, Architecture]) -> list[Way]:
    """Return the ways tried for many classes: one pool for all, one for each, and each by its own verdict.

    Examples
    --------
    >>> ways = few_ways("abcde", dict(a="split", b="split", c="split", d="colocated", e="colocated"))
    >>> for way in ways: print(way.label)
    split: a + b + c + d + e
    colocated: a + b + c + d + e
    split: a + b + c; colocated: d + e
    split: a; split: b; split: c; colocated: d; colocated: e
    split: a; split: b; split: c; split: d; split: e
    colocated: a; colocated: b; colocated: c; colocated: d; colocated: e
    """
    everyone = tuple(names)
    chosen: tuple[Architecture, ...] = ("split", "colocated")
    members = {a: tuple(n for n in names if verdicts.get(n) == a) for a in chosen}
    ways = [
        *(Way((Group(a, everyone),)) for a in chosen),
        Way(tuple(Group(a, m) for a, m in members.items() if m)),
        Way(tuple(Group(verdicts[n], (n,)) for n in names if n in verdicts)),
        *(Way(tuple(Group(a, (n,)) for n in names)) for a in chosen),
    ]
    whole = [w for w in ways if sum(len(g.parts) for g in w.groups) == len(names)]
    return list(dict.fromkeys(whole))
