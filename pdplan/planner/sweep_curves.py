"""Means of a stated fleet from those of its stations: each pool is followed along a rate by itself.

Fleets of a sweep that have a pool in common have its curve in common; the link between two pools needs no
curve: its mean waits are closed forms (Pollaczek and Khinchine) of the rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pdplan.errors import UnstableError
from pdplan.planner.evaluate import Disaggregated, several
from pdplan.planner.stations import DecodeSide, PrefillSide
from pdplan.planner.sweep_smooth import Array
from pdplan.serving.demand import ClassDemand
from pdplan.serving.transfer import link_never_queues, link_seconds

#: Where the columns of a pool's vector begin that are one for each class.
CLASSES_OF_PREFILL: Final = 2
CLASSES_OF_DECODE: Final = 4


def prefill_means(side: PrefillSide) -> Array:
    """Load, companions in a step (and 1), then of each class the mean TTFT up to the end of prefill [s].

    Raises
    ------
    UnstableError
        The pool is offered more than it can do.
    """
    _stable(side.utilization)
    waits = sum(float(d.mean_s) for d in side.waits.values())
    values = [side.utilization, 1.0 + side.station.companions]
    for demand in side.problem.demands:
        fixed = sum(side.fixed_s(demand).values(), np.zeros_like(demand.weight))
        values.append(waits + float(demand.weight @ fixed))
    return np.array(values)


def decode_means(side: DecodeSide) -> Array:
    """Load, share of KV, wait until the next step, first step [s], then of each class the mean TPOT [s].

    Raises
    ------
    UnstableError
        The pool is offered more than it can do.
    """
    _stable(side.utilization)
    law = side.law
    values = [
        side.utilization,
        side.kv_p99_share or 1e-30,
        law.admission.mean_s + law.join.mean_s,
        side.first_step.mean_s,
    ]
    for demand in side.problem.demands:
        values.append(side.tpot(demand).mean_s if several(demand) else 1.0)
    return np.array(values)


def _stable(load: float) -> None:
    if load >= 1.0:
        raise UnstableError(f"a station is offered {load:.3g} of what it can do")


@dataclass(frozen=True, eq=False)
class Wire:
    """What the link of a fleet does at any rates: moments of each class's transfers, taken once.

    One entry for each class: ``payload_bytes`` and ``visible_s``, means; ``per_gap`` and
    ``visible_per_gap_s``, means over requests with a second token of 1, and of the visible transfer, over the
    gaps of a request.
    ``held`` are the ends at which transfers wait: instances there, and the first two moments of the time that
    each class holds them [s], [s^2].
    """

    fleet: Disaggregated
    payload_bytes: Array
    visible_s: Array
    per_gap: Array
    visible_per_gap_s: Array
    transfer_s: Array
    held: tuple[tuple[int, Array, Array], ...]
    never_queues: bool

    @classmethod
    def of(cls, fleet: Disaggregated) -> Wire:
        """Take the moments of a fleet that is stable at its rates, whatever they are."""
        problem, link, demands = fleet.problem, fleet.link, fleet.problem.demands
        payload = [problem.payload_bytes(d) for d in demands]
        visible = [link.visible_transfer_s(d, fleet.prefill.prefill_s(d)) for d in demands]
        gaps = [_share_per_gap(d) for d in demands]
        held = []
        for rate, ends in link.waiting_ends:
            times = [np.asarray(link_seconds(p, rate, problem.link.t0_s)) for p in payload]
            moments = [[d.mean(t**k) for d, t in zip(demands, times, strict=True)] for k in (1, 2)]
            held.append((ends, np.array(moments[0]), np.array(moments[1])))
        mix = problem.demand
        return cls(
            fleet,
            np.array([d.mean(p) for d, p in zip(demands, payload, strict=True)]),
            np.array([d.mean(v) for d, v in zip(demands, visible, strict=True)]),
            np.array([g.sum() for g in gaps]),
            np.array([g @ v for g, v in zip(gaps, visible, strict=True)]),
            np.array([d.mean(link.transfer_s(d)) for d in demands]),
            tuple(held),
            link_never_queues(link.transfer_s(mix), fleet.prefill.prefill_s(mix)),
        )

    def vector(self, rates: Sequence[float], prefill: Array, decode: Array) -> Array:
        """Loads and KV share, then of each class mean TTFT and TPOT [s], from the vectors of both pools.

        Raises
        ------
        UnstableError
            The link is offered more than it carries.
        """
        total = sum(rates)
        share = np.asarray(rates) / total
        pools = (self.fleet.prefill, self.fleet.decode)
        load = total * float(share @ self.payload_bytes)
        load /= min(p.count * p.option.link_bytes_per_s for p in pools)
        _stable(load)
        wait = self._wait_s(total, share, float(prefill[1]) - 1.0) + decode[2]
        values = [prefill[0], decode[0], load, decode[1]]
        for i, demand in enumerate(self.fleet.problem.demands):
            ttft, tpot = prefill[CLASSES_OF_PREFILL + i], decode[CLASSES_OF_DECODE + i]
            if self.fleet.first_token_from_decode:
                ttft = ttft + wait + decode[3] + self.visible_s[i]
            elif several(demand):
                tpot = tpot + self.visible_per_gap_s[i] + wait * self.per_gap[i]
            values += [ttft, tpot]
        return np.array(values)

    def _wait_s(self, total: float, share: Array, companions: float) -> float:
        """Mean wait for the link, as `pdplan.planner.link_side` has it."""
        prefill, link = self.fleet.prefill, self.fleet.link
        if prefill.count == 1 and companions <= 0 and self.never_queues:
            return 0.0
        each = (0.5 if link.one_end else 1.0) * companions / prefill.option.dp_attention
        wait = each * float(share @ self.transfer_s)
        for ends, first, second in self.held:
            load = total / ends * float(share @ first)
            _stable(load)
            wait += 0.5 * total / ends * float(share @ second) / (1.0 - load)
        return wait


def _share_per_gap(demand: ClassDemand) -> Array:
    """Weights among requests with a second token, over the gaps of each; 0 for the others."""
    out = demand.output_tokens
    weight = np.where(out > 1, demand.weight, 0.0)
    if not weight.any():
        return weight
    return np.asarray(weight / weight.sum() / np.where(out > 1, out - 1.0, 1.0))
