"""Means of the stated fleet at many rates and counts: what a sweep can give in a fraction of a millisecond.

Rates of classes and counts of the fleet are varied without reading the scenario again; stations that several
points share are solved once; where one rate takes many values, means are interpolated between computed ones
(`pdplan.planner.sweep_smooth`, within 0.1%). Every other field is read anew for each of its values.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from pdplan import units
from pdplan.errors import InputError, PdplanError
from pdplan.planner.judge import cost_of
from pdplan.planner.problem import Problem, assemble
from pdplan.planner.result import Cost
from pdplan.planner.search import Search
from pdplan.planner.sizing import stated_fleet
from pdplan.planner.sweep_axes import Axis
from pdplan.planner.sweep_curves import Wire, decode_means, prefill_means
from pdplan.planner.sweep_means_row import means_row
from pdplan.planner.sweep_points import Base, Point
from pdplan.planner.sweep_row import Row, failed_row
from pdplan.planner.sweep_smooth import Answer, Array, at_rates
from pdplan.planner.vary import at_class_rates
from pdplan.spec.pools import FixedPool
from pdplan.spec.scenario import Scenario

_COUNTS: Final = ("fleet.prefill.count", "fleet.decode.count")
_MOST: Final = 100_000


@dataclass(frozen=True, slots=True)
class _Inner:
    """What varies quickly: counts of the two pools, and the rate of each class [1/s]."""

    prefill: int
    decode: int
    rates: tuple[float, ...]


#: Means of a pool that were found, by what stations see of the scenario, role and count, rates of all
#: classes, and the class that varies with its rates.
Known = dict[tuple[str, str, int, tuple[float, ...], int, tuple[float, ...]], list[Answer]]


def _joined(wire: Wire, rates: tuple[float, ...], prefill: Answer, decode: Answer) -> Answer:
    """Means of a fleet from those of its pools, or why there are none."""
    if isinstance(prefill, PdplanError):
        return prefill
    if isinstance(decode, PdplanError):
        return decode
    try:
        return wire.vector(rates, prefill, decode)
    except PdplanError as error:
        return error


def means_rows(
    base: Base,
    axes: tuple[Axis, ...],
    points: tuple[Point, ...],
    on_progress: Callable[[int, int], None] | None,
) -> list[Row]:
    """Return the row of every point, in order."""
    quick = [i for i, axis in enumerate(axes) if axis.key in _COUNTS or _is_rate(axis.key)]
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, point in enumerate(points):
        groups[tuple(s for i, s in enumerate(point.settings) if i not in quick)].append(index)
    rows: list[Row] = [{}] * len(points)
    known: Known = {}
    done = 0
    for settings, indices in groups.items():
        for index, row in _group_rows(base, settings, axes, quick, points, indices, known).items():
            rows[index] = row
        done += len(indices)
        if on_progress is not None:
            on_progress(done, len(points))
    return rows


def _is_rate(key: str) -> bool:
    steps = key.split(".")
    return len(steps) == 3 and steps[0] == "classes" and steps[2] == "rate"


def _group_rows(
    base: Base,
    settings: tuple[str, ...],
    axes: tuple[Axis, ...],
    quick: list[int],
    points: tuple[Point, ...],
    indices: list[int],
    known: Known,
) -> dict[int, Row]:
    """Rows of the points that differ only in rates and counts."""
    values = {i: {axes[q].key: (axes[q], points[i].values[axes[q].column]) for q in quick} for i in indices}
    read: dict[int, dict[str, float]] = {}
    rows: dict[int, Row] = {}
    for index, given in values.items():
        try:
            read[index] = {key: _read(axis, value) for key, (axis, value) in given.items()}
        except InputError as error:
            rows[index] = failed_row(error)
    if not read:
        return rows
    first = next(iter(read))
    try:
        scenario = base.scenario((*settings, *(points[first].settings[q] for q in quick)))
        means = _Means(scenario, assemble(scenario), known)
        inner = {index: means.inner(given) for index, given in read.items()}
    except PdplanError as error:
        return rows | {index: failed_row(error, base.source) for index in read}
    return rows | means.rows(inner)


def _read(axis: Axis, value: Any) -> float:
    """Read a rate or a count as the scenario would."""
    if axis.key in _COUNTS:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
            raise InputError(f"{axis.key} is {value!r}: give a whole number from 1 to {_MOST}")
        return value
    rate = units.parse(f"{value!r} {axis.unit}" if axis.unit else value, "rate", what=axis.key)
    if rate <= 0:
        raise InputError(f"{axis.key} is {value!r}: it must be greater than 0")
    return rate


@dataclass(frozen=True, eq=False)
class _Means:
    """The means of one scenario's stated fleet, at any rates and counts."""

    scenario: Scenario
    problem: Problem
    known: Known

    @cached_property
    def _seen_by_stations(self) -> str:
        """Everything of the scenario but what no station looks at: prices, objectives, its name."""
        document = self.scenario.model_dump(mode="json", exclude={"prices", "name"})
        for c in document["classes"]:
            del c["slo"]
        return json.dumps(document, sort_keys=True)

    def inner(self, given: Mapping[str, float]) -> _Inner:
        """Return rates and counts of a point; what is not swept is as stated."""
        fleet = self.scenario.fleet
        if fleet is None:
            raise InputError("the scenario states no fleet: add fleet.prefill.count and fleet.decode.count")
        rates = [t.demand.arrival_rate for t in self.problem.traffic]
        names = [t.name for t in self.problem.traffic]
        for key, value in given.items():
            if key not in _COUNTS:
                step = key.split(".")[1]
                rates[names.index(step) if step in names else int(step)] = value
        prefill, decode = (
            int(given.get(key, pool.count))
            for key, pool in zip(_COUNTS, (fleet.prefill, fleet.decode), strict=True)
        )
        return _Inner(prefill, decode, tuple(rates))

    def rows(self, inner: Mapping[int, _Inner]) -> dict[int, Row]:
        """Rows of points: along the class whose rate takes most values, by counts and the other rates."""
        varied = [len({x.rates[c] for x in inner.values()}) for c in range(len(self.problem.traffic))]
        along = int(np.argmax(varied))
        lines: dict[_Inner, list[int]] = defaultdict(list)
        for index, x in inner.items():
            rest = (*x.rates[:along], 0.0, *x.rates[along + 1 :])
            lines[_Inner(x.prefill, x.decode, rest)].append(index)
        rows: dict[int, Row] = {}
        for line, indices in lines.items():
            rates = np.unique([inner[i].rates[along] for i in indices])
            found = self._answers(line, along, rates)
            answers = dict(zip(rates.tolist(), found, strict=True))
            cost = self._cost(line)
            for index in indices:
                rate = inner[index].rates[along]
                counts = line.prefill, line.decode
                rows[index] = means_row(
                    counts, cost, answers[rate], self.problem.traffic, self.scenario.max_utilization
                )
        return rows

    def _answers(self, line: _Inner, along: int, rates: Array) -> list[Answer]:
        """Means at every rate of one class: curves of the two pools, which other fleets may share, joined."""
        at = self._rates_along(line, along)
        prefill = self._curve("prefill", line, along, rates)
        decode = self._curve("decode", line, along, rates)
        idle = self._search(tuple(1e-6 * x for x in at(rates[0])))
        wire = Wire.of(self._fleet(idle, line.prefill, line.decode))
        return [
            p
            if isinstance(p, PdplanError)
            else d
            if isinstance(d, PdplanError)
            else _joined(wire, at(r), p, d)
            for r, p, d in zip(rates.tolist(), prefill, decode, strict=True)
        ]

    def _curve(self, role: str, line: _Inner, along: int, rates: Array) -> list[Answer]:
        """Means of one pool at every rate of one class, kept."""
        count = line.prefill if role == "prefill" else line.decode
        key = (self._seen_by_stations, role, count, line.rates, along, tuple(rates.tolist()))
        if key not in self.known:
            at = self._rates_along(line, along)

            def means(rate: float) -> Array:
                fleet = self._fleet(self._search(at(rate)), line.prefill, line.decode)
                return prefill_means(fleet.prefill) if role == "prefill" else decode_means(fleet.decode)

            self.known[key] = at_rates(means, rates)
        return self.known[key]

    def _rates_along(self, line: _Inner, along: int) -> Callable[[float], tuple[float, ...]]:
        return lambda rate: (*line.rates[:along], float(rate), *line.rates[along + 1 :])

    @cached_property
    def _searches(self) -> dict[tuple[float, ...], Search]:
        return {}

    def _search(self, rates: tuple[float, ...]) -> Search:
        """Stations at these rates: pools are solved once for each number of instances."""
        if rates not in self._searches:
            self._searches[rates] = Search(at_class_rates(self.problem, rates))
        return self._searches[rates]

    def _fleet(self, search: Search, prefill: int, decode: int) -> Any:
        stated = self.scenario.fleet
        assert stated is not None
        pools: list[FixedPool] = [
            pool.model_copy(update={"count": count})
            for pool, count in ((stated.prefill, prefill), (stated.decode, decode))
        ]
        return stated_fleet(search, pools[0], pools[1])

    def _cost(self, line: _Inner) -> Cost:
        fleet = self._fleet(Search(self.problem), line.prefill, line.decode)
        return cost_of(
            self.problem, [(fleet.prefill.option, line.prefill), (fleet.decode.option, line.decode)]
        )
