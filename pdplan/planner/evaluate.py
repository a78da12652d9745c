"""Judge one disaggregated fleet: every class's latencies, every station's load, against every objective."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pdplan.planner.instances import InstanceOption
from pdplan.planner.link_side import LinkSide
from pdplan.planner.problem import Array, Problem
from pdplan.planner.stations import DecodeSide, PrefillSide, TpotLaw
from pdplan.serving.composition import TtftLaw, e2e_law, ttft_law
from pdplan.serving.demand import ClassDemand
from pdplan.serving.joint_attainment import joint_attainment
from pdplan.spec.slo import JointTarget, Slo, Target

#: Lattice points of a TTFT law while searching, and when the answer is reported.
SEARCH_POINTS = 512
REPORT_POINTS = 4096


def several(demand: ClassDemand) -> bool:
    """Whether any request of a class has two output tokens or more, so that TPOT is defined."""
    return bool((demand.output_tokens > 1).any())


@dataclass(frozen=True, eq=False)
class Disaggregated:
    """A prefill and a decode pool joined by the link, under the problem's traffic.

    Raises
    ------
    UnstableError
        A station is offered more than it can do (on construction of that station).
    """

    problem: Problem
    prefill: PrefillSide
    decode: DecodeSide

    @cached_property
    def link(self) -> LinkSide:
        """The KV link between the two pools."""
        return LinkSide(self.problem, self.prefill, self.decode)

    @property
    def first_token_from_decode(self) -> bool:
        """Whether TTFT includes transfer, admission and the first decode step."""
        return self.problem.scenario.first_token_from == "decode"

    def fixed_s(self, demand: ClassDemand) -> Mapping[str, Array]:
        """Parts of TTFT given by a request's lengths, at each atom [s]."""
        parts = self.prefill.fixed_s(demand)
        if self.first_token_from_decode:
            prefill = self.prefill.prefill_s(demand)
            return {**parts, "transfer": self.link.visible_transfer_s(demand, prefill)}
        return parts

    def waits(self) -> dict[str, object]:
        """Parts of TTFT that do not depend on the request's own lengths."""
        waits: dict[str, object] = {**self.prefill.waits}
        if self.first_token_from_decode:
            waits |= {
                "transfer_wait": self.link.wait,
                "admission": self.decode.admission,
                "join": self.decode.join,
                "first_step": self.decode.first_step,
            }
        return waits

    def ttft(self, demand: ClassDemand, *, points: int = REPORT_POINTS) -> TtftLaw:
        """Law of TTFT of a class."""
        return ttft_law(self.waits(), self.fixed_s(demand), demand.weight, points=points)

    def tpot(self, demand: ClassDemand) -> TpotLaw:
        """Law of TPOT of a class; with the first token from prefill, transfer and admission are in it.

        Raises
        ------
        InputError
            Every request of the class has one output token: TPOT is undefined.
        """
        if self.first_token_from_decode:
            return self.decode.tpot(demand)
        waits = self.link.wait.mean_s + self.decode.law.admission.mean_s + self.decode.law.join.mean_s
        visible = self.link.visible_transfer_s(demand, self.prefill.prefill_s(demand))
        return self.decode.tpot(demand, visible + waits)

    def e2e(self, demand: ClassDemand, *, points: int = REPORT_POINTS) -> TtftLaw:
        """Law of end-to-end latency of a class (approximate: the spread of TPOT is left out)."""
        ttft = self.ttft(demand, points=points)
        return e2e_law(ttft, demand.output_tokens, self.tpot(demand).mean_s) if several(demand) else ttft

    def value(self, demand: ClassDemand, target: Target) -> float:
        """The statistic of a class that a target names [s]."""
        p = target.probability
        if target.metric == "itl":
            return self.decode.itl_value(p)
        if target.metric == "tpot":
            return self.tpot(demand).value(p)
        law = (self.ttft if target.metric == "ttft" else self.e2e)(demand, points=SEARCH_POINTS)
        return law.mean_s if p is None else float(law.quantile_s(p))

    def log_excess(self, demand: ClassDemand, target: Target) -> float:
        """Log of what is asked over what is given: at most 0 when a target is met.

        For a percentile of TTFT or E2E, the log of P(latency > limit) over 1 - p: one look at the law.
        """
        p = target.probability
        if target.metric in ("tpot", "itl") or p is None:
            return math.log(max(self.value(demand, target), 1e-300) / target.limit_s)
        law = (self.ttft if target.metric == "ttft" else self.e2e)(demand, points=SEARCH_POINTS)
        return math.log(max(float(law.sf(target.limit_s)), 1e-300) / (1.0 - p))

    def meets(self, demand: ClassDemand, slo: Slo) -> bool:
        """Whether TTFT, E2E, joint and (where the link is part of it) TPOT objectives of a class are met."""
        ttft = self.ttft(demand, points=SEARCH_POINTS)
        laws: dict[str, TtftLaw | TpotLaw] = {"ttft": ttft}
        for target in slo.targets:
            if target.metric == "itl" or (target.metric == "tpot" and self.first_token_from_decode):
                continue
            if target.metric not in laws:
                laws[target.metric] = (
                    self.tpot(demand) if target.metric == "tpot" else self.e2e(demand, points=SEARCH_POINTS)
                )
            law = laws[target.metric]
            if target.probability is None:
                if law.mean_s > target.limit_s:
                    return False
            elif float(law.sf(target.limit_s)) > 1.0 - target.probability:
                return False
        return slo.joint is None or self.joint_attainment(demand, slo.joint)[1] >= slo.joint.attainment

    def joint_attainment(self, demand: ClassDemand, target: JointTarget) -> tuple[float, float, float]:
        """(value, lower, upper) of P(TTFT <= x and TPOT <= y) over requests of a class.

        The bounds hold whatever ties TTFT and TPOT beyond the lengths (Frechet, given each length atom); the
        value takes them as independent given the lengths.
        """
        in_time = 1.0 - self.ttft(demand, points=SEARCH_POINTS).sf_given(target.ttft_s)
        in_pace = self.tpot(demand).met_given(target.tpot_s) if several(demand) else np.ones_like(in_time)
        joint = joint_attainment(in_time, in_pace, demand.weight)
        return joint.value, joint.lower, joint.upper


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Stations of a problem, each built once."""

    problem: Problem

    @cached_property
    def _prefill(self) -> dict[tuple[int, int], PrefillSide]:
        return {}

    @cached_property
    def _decode(self) -> dict[tuple[int, int], DecodeSide]:
        return {}

    def prefill(self, option: InstanceOption, count: int) -> PrefillSide:
        """Return the prefill pool of ``count`` instances."""
        key = (id(option), count)
        if key not in self._prefill:
            self._prefill[key] = PrefillSide(self.problem, option, count)
        return self._prefill[key]

    def decode(self, option: InstanceOption, count: int) -> DecodeSide:
        """Return the decode pool of ``count`` instances."""
        key = (id(option), count)
        if key not in self._decode:
            self._decode[key] = DecodeSide(self.problem, option, count)
        return self._decode[key]

    def fleet(
        self, prefill: InstanceOption, prefill_count: int, decode: InstanceOption, decode_count: int
    ) -> Disaggregated:
        """Return the fleet, ready to be judged."""
        return Disaggregated(
            self.problem, self.prefill(prefill, prefill_count), self.decode(decode, decode_count)
        )
