r"""Closed network state by state: each prefill instance against all the rest at its exact flow.

Norton's theorem takes everything but one prefill instance (decode instances, transfer, think time, the other
prefill instances) as one station whose flow X(m) with m users follows from Buzen's convolution. The prefill
instance is then a queue with general steps and arrivals at rate X(N - k)/P while k are there
(`closed_station`). The other P - 1 instances stand in the convolution with the rates at which that solution
passes prompts on, and the two are repeated until they agree (Marie's method).

So it is for random dealing. Behind least work left the pool is one instance P times as fast, slowed while
fewer than P prompts are there. Round robin lies between: instances drift apart by the variance of their
service alone, not by that of arrivals, so of the difference between random and least work the share
c^2/(1 + c^2) is left (c^2 of a prompt's prefill; none for equal prompts, where both are one).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pdplan.serving.closed_batching import Batching
from pdplan.serving.closed_parts import ClosedFleet, ClosedParts
from pdplan.serving.closed_rest import convolved, flows, log_delay, log_terms, marginal, repeated
from pdplan.serving.closed_station import ClosedStation, solve_station
from pdplan.serving.closed_steps import StepMenu, one_at_a_time
from pdplan.serving.prefill_queue import Array

_ROUNDS = 30
#: Share of the new round in what the next one is made from.
_EASE = 0.75
#: Relative change of the throughput at which the rounds end; batching rounds take longer.
_SETTLED, _SETTLED_BATCHING = 1e-6, 3e-4


def solve_norton(fleet: ClosedFleet) -> ClosedParts:
    """Solve the network; see the module."""
    if fleet.prefill_instances == 1 or fleet.router in ("random", "power_of_two"):
        return _solve_dealt(fleet)
    shared = _solve_shared(fleet)
    if fleet.router != "round_robin":
        return shared
    share = fleet.prefill_scv / (1.0 + fleet.prefill_scv)
    return shared if share < 1e-6 else _between(fleet, shared, _solve_dealt(fleet), share)


def _between(fleet: ClosedFleet, a: ClosedParts, b: ClosedParts, share: float) -> ClosedParts:
    """Take each mean between two solutions; the throughput follows from Little's law."""

    def mean(name: str) -> float:
        return float((1 - share) * getattr(a, name) + share * getattr(b, name))

    names = ("queue_s", "prefill_s", "transfer_s", "admission_s", "join_s", "step_s", "prefill_busy")
    parts = replace(a, **{name: mean(name) for name in names})
    cycle = parts.queue_s + parts.prefill_s + parts.transfer_s + parts.admission_s + parts.join_s
    return replace(parts, throughput=fleet.users / (cycle + fleet.steps * parts.step_s + fleet.think_s))


@dataclass(frozen=True, eq=False)
class _Rest:
    """What stands beside the prefill instance: log terms of one decode instance and of all else."""

    one_decode: Array
    without: Array

    @property
    def flow(self) -> Array:
        """Throughput at each population [1/s]."""
        return flows(convolved(self.without, self.one_decode))


def _decode_terms(fleet: ClosedFleet) -> tuple[Array, Array]:
    """Log terms of one decode instance, and of the others."""
    one = log_terms(_decode_rates(fleet), 1.0 / fleet.decode_instances)
    return one, repeated(one, fleet.decode_instances - 1)


def _link_wait_s(fleet: ClosedFleet, station: ClosedStation | None) -> float:
    """Wait for companions of the same step, which go over the same link first [s]."""
    return 0.0 if station is None else 0.5 * station.companions * fleet.mean_transfer_s


def _eased(old: ClosedStation, new: ClosedStation) -> ClosedStation:
    """Return the new round with part of the old in what the next is made from: rounds overshoot."""

    def mixed(name: str) -> Array:
        return np.asarray((1 - _EASE) * getattr(old, name) + _EASE * getattr(new, name))

    return replace(new, left_over=mixed("left_over"), at_start=mixed("at_start"))


def _solve_dealt(fleet: ClosedFleet) -> ClosedParts:
    """Solve with each prompt dealt to an instance at random."""
    n, instances = fleet.users, fleet.prefill_instances
    steps = _Steps.of(fleet)
    one_decode, decodes = _decode_terms(fleet)
    most = n if instances == 1 else min(n, max(48, -(-6 * n // instances)))
    menu, station, eased, x = steps.menu(most), None, None, 0.0
    rates = menu.rates
    for _ in range(_ROUNDS):
        delay_s = fleet.mean_transfer_s + _link_wait_s(fleet, station) + fleet.think_s
        without = convolved(log_delay(delay_s, n), decodes)
        if instances > 1:
            full = np.concatenate([rates, np.full(n - rates.size, rates[-1])])
            without = convolved(without, repeated(log_terms(full, 1.0 / instances), instances - 1))
        rest = _Rest(one_decode, without)
        arrivals = rest.flow[n - np.arange(most + 1)] / instances
        arrivals[-1] = 0.0
        station = solve_station(arrivals, menu)
        if abs(station.throughput - x) < steps.settled * station.throughput:
            break
        x = station.throughput
        found = station.service_rates(n)
        rates = found if rates.size < n else rates ** (1 - _EASE) * found**_EASE
        eased = station if eased is None else _eased(eased, station)
        menu = steps.menu(most, menu, eased)
    assert station is not None
    return _parts(fleet, rest, station.number, station.throughput * instances, station)


def _solve_shared(fleet: ClosedFleet) -> ClosedParts:
    """Solve with one queue before all instances.

    While fewer than all work nobody waits; from then on the pool is one instance so many times as fast
    (A. M. Lee and P. A. Longton, Oper. Res. Quarterly 10 (1959) 56-71).
    """
    n, instances = fleet.users, fleet.prefill_instances
    steps = _Steps.of(fleet)
    one_decode, decodes = _decode_terms(fleet)
    if n <= instances:
        return _solve_unqueued(fleet)
    free = instances - 1  # instances that may work while one is idle
    most = n - free
    menu, station, eased, x = steps.menu(most, instances=instances), None, None, 0.0
    for _ in range(_ROUNDS):
        delay_s = fleet.mean_transfer_s + _link_wait_s(fleet, station) + fleet.think_s
        rest = _Rest(one_decode, convolved(log_delay(delay_s, n), decodes))
        arrivals = rest.flow[n - np.arange(n + 1)]
        arrivals[-1] = 0.0
        station = solve_station(arrivals[free:], menu)
        offered = arrivals[:free] * fleet.mean_prefill_s / np.arange(1, free + 1)
        before = np.concatenate([[1.0], np.cumprod(offered)])  # 0 .. free prompts
        number = np.concatenate([before[:-1], before[-1] * station.number / max(station.number[0], 1e-300)])
        number /= number.sum()
        throughput = float(number @ arrivals)
        if abs(throughput - x) < steps.settled * throughput:
            break
        x = throughput
        eased = station if eased is None else _eased(eased, station)
        menu = steps.menu(most, menu, eased, instances=instances)
    assert station is not None
    return _parts(fleet, rest, number, throughput, station)


def _solve_unqueued(fleet: ClosedFleet) -> ClosedParts:
    """Solve with an instance for every user: nobody waits for prefill."""
    n = fleet.users
    one_decode, decodes = _decode_terms(fleet)
    rest = _Rest(one_decode, convolved(log_delay(fleet.mean_transfer_s + fleet.think_s, n), decodes))
    arrivals = rest.flow[n - np.arange(n + 1)]
    offered = arrivals[:-1] * fleet.mean_prefill_s / np.arange(1, n + 1)
    number = np.concatenate([[1.0], np.cumprod(offered)])
    number /= number.sum()
    return _parts(fleet, rest, number, float(number @ arrivals), None)


@dataclass(frozen=True, eq=False)
class _Steps:
    """Prefill steps of a fleet's instance."""

    service_s: Array
    weight: Array
    batching: Batching | None

    @classmethod
    def of(cls, fleet: ClosedFleet) -> _Steps:
        """Take the discipline of a fleet."""
        service = fleet.idle_prefill.prefill_s() / fleet.pipeline_stages
        if fleet.discipline == "one_at_a_time":
            return cls(service, fleet.demand.weight, None)
        demand = fleet.demand
        new = np.maximum(demand.prompt_tokens - demand.cached, 1.0)
        squares = demand.prompt_tokens**2 - demand.cached**2
        ratio = float(demand.weight @ squares) / float(demand.weight @ new**2)

        def step_s(tokens: Array, squares: Array) -> Array:
            lasting = fleet.prefill_model.prefill_step_s(np.maximum(tokens, 1.0), squares)
            return np.asarray(lasting, dtype=float) / fleet.pipeline_stages

        batching = Batching(new, demand.weight, ratio, fleet.max_batch_tokens, step_s, fleet.users + 1)
        return cls(service, demand.weight, batching)

    @property
    def settled(self) -> float:
        """Relative change of the throughput at which the rounds end [-]."""
        return _SETTLED if self.batching is None else _SETTLED_BATCHING

    def menu(
        self,
        most: int,
        last: StepMenu | None = None,
        station: ClosedStation | None = None,
        *,
        instances: int = 1,
    ) -> StepMenu:
        """Steps with 0 .. most prompts there; of several instances: as one so many times as fast."""
        if self.batching is None:
            return one_at_a_time(self.service_s / instances, self.weight, most)
        if instances == 1:
            if station is None:
                return self.batching.menu(None, np.zeros(most + 1))
            return self.batching.menu(last, station.left_over, station.at_start)
        # all wait in equal queues, filled for as long as the step under way has run: longest at the instance
        # that starts
        n = np.arange(most + 1)
        each = np.where(n > 0, np.maximum(2.0 * n / (instances + 1.0), 1.0), 0.0)
        low = np.floor(each).astype(np.int64)
        part = each - low
        size = int(low[-1]) + 2
        start: Array | None = None
        if station is not None:
            near = np.rint(each).astype(np.int64)
            start = np.asarray(np.bincount(near, station.at_start, minlength=size), dtype=np.float64)
        own = self.batching.menu(last, self.batching.overflow(size - 1), start)
        chance = (1 - part) * own.chance[:, low] + part * own.chance[:, low + 1]
        safe = np.where(chance > 0, chance, 1.0)

        def mixed(values: Array) -> Array:
            weighed = own.chance * values
            return np.asarray(((1 - part) * weighed[:, low] + part * weighed[:, low + 1]) / safe)

        mean = mixed(own.mean_s)
        var = mixed(own.var_s + own.mean_s**2) - mean**2
        return StepMenu(own.takes, chance, mean / instances, np.maximum(var, 0.0) / instances**2, own.blocked)


def _decode_rates(fleet: ClosedFleet) -> Array:
    """Requests per second of one decode instance with 1 .. N present [1/s].

    A request stays for its steps, and half a step more if it comes while one is under way.
    """
    n = np.arange(1, fleet.users + 1)
    busy = np.minimum(n, fleet.max_batch or np.inf)
    stay = fleet.steps + np.where(n > 1, 0.5 * fleet.decode_share, 0.0)
    batch = np.maximum(1.0, busy * fleet.steps / stay)
    return np.asarray(busy / (stay * np.asarray(fleet.step.at(batch), dtype=float)))


def _parts(
    fleet: ClosedFleet, rest: _Rest, number: Array, throughput: float, station: ClosedStation | None
) -> ClosedParts:
    """Means by Little's law.

    ``number``: law of the prompts at the station that stood against the rest. Of prefill, decode
    and the wait for a place, those that hold fewer users are taken from their own law and the largest has
    what is left.
    """
    own = station is not None and number is station.number
    one = station.throughput if own and station is not None else throughput
    in_prefill = float(number @ np.arange(number.size)) / one
    transfer = fleet.mean_transfer_s + _link_wait_s(fleet, station)
    cycle = fleet.users / throughput - fleet.think_s
    admission, alone, in_decode = _decode_stay(fleet, rest, number, throughput)
    placed = in_decode - admission
    if in_prefill > in_decode:
        in_prefill = cycle - transfer - in_decode
    else:
        in_decode = cycle - transfer - in_prefill
    join_steps = 0.5 * fleet.decode_share * (1.0 - alone)
    if admission > placed:
        admission = in_decode - placed
    else:
        placed = in_decode - admission
    step_s = placed / (fleet.steps + join_steps)
    return ClosedParts(
        throughput=throughput,
        queue_s=in_prefill - fleet.mean_prefill_s,
        prefill_s=fleet.mean_prefill_s,
        transfer_s=transfer,
        admission_s=admission,
        join_s=join_steps * step_s,
        step_s=step_s,
        prefill_busy=min(1.0, throughput / fleet.prefill_limit),
    )


def _decode_stay(
    fleet: ClosedFleet, rest: _Rest, number: Array, throughput: float
) -> tuple[float, float, float]:
    """Mean wait for a place [s], chance to find a decode instance empty [-], mean time in decode [s]."""
    n = fleet.users
    law = np.zeros(n + 1)
    for k in np.flatnonzero(number > 1e-12):
        law[: n - k + 1] += number[k] * marginal(rest.one_decode, rest.without, n - int(k))
    law /= law.sum()
    present = np.arange(n + 1)
    beyond = np.maximum(present - float(fleet.max_batch or np.inf), 0.0)
    each = fleet.decode_instances / throughput
    return each * float(law @ beyond), 1.0 if n == 1 else float(law[0]), each * float(law @ present)
