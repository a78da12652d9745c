"""`schedule`: how many instances run in each step of a day, and what that saves against the peak's fleet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pdplan._version import __version__
from pdplan.errors import InfeasibleError, InputError
from pdplan.planner.problem import assemble
from pdplan.planner.schedule_profile import RateProfile, hours, value_list
from pdplan.planner.schedule_size import Sizes, peak_plan
from pdplan.spec.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Step:
    """One step: rates of the classes, instances needed, and instances that run.

    ``started_prefill`` and ``started_decode`` become ready at the start of the step; they are started
    ``startup_s`` before it.
    """

    start_s: float
    rates: tuple[float, ...]
    needed: tuple[int, int]
    prefill: int
    decode: int
    started_prefill: int
    started_decode: int

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "start_s": self.start_s,
            "rates_req_per_s": value_list(self.rates),
            "needed": {"prefill": self.needed[0], "decode": self.needed[1]},
            "prefill": self.prefill,
            "decode": self.decode,
            "started": {"prefill": self.started_prefill, "decode": self.started_decode},
        }


@dataclass(frozen=True, eq=False)
class Schedule:
    """Instances in each step. ``prefill`` and ``decode`` are the kinds, as labels and GPUs of an instance."""

    scenario: Scenario
    profile: RateProfile
    steps: tuple[Step, ...]
    kinds: tuple[str, str]
    gpus: tuple[int, int]
    usd_per_hour: tuple[float, float]
    startup_s: float
    hysteresis: int
    kept_s: float

    @property
    def static(self) -> tuple[int, int]:
        """Instances of a fleet that never changes and is enough in every step."""
        return max(s.needed[0] for s in self.steps), max(s.needed[1] for s in self.steps)

    def _sum(self, per_instance: tuple[float, float], prefill: float, decode: float) -> float:
        return prefill * per_instance[0] + decode * per_instance[1]

    def _hours(self) -> tuple[float, float]:
        """Instance-hours of both pools, the time that instances take to start included."""
        step_h, startup_h = self.profile.step_s / 3600.0, self.startup_s / 3600.0
        return (
            sum(s.prefill * step_h + s.started_prefill * startup_h for s in self.steps),
            sum(s.decode * step_h + s.started_decode * startup_h for s in self.steps),
        )

    def _static_hours(self) -> tuple[float, float]:
        span_h = len(self.steps) * self.profile.step_s / 3600.0
        return self.static[0] * span_h, self.static[1] * span_h

    @property
    def gpu_hours(self) -> float:
        """GPU-hours of the schedule, starts included."""
        return self._sum((float(self.gpus[0]), float(self.gpus[1])), *self._hours())

    @property
    def static_gpu_hours(self) -> float:
        """GPU-hours of the fleet that never changes."""
        return self._sum((float(self.gpus[0]), float(self.gpus[1])), *self._static_hours())

    @property
    def usd(self) -> float:
        """Price of the schedule [USD]."""
        return self._sum(self.usd_per_hour, *self._hours())

    @property
    def static_usd(self) -> float:
        """Price of the fleet that never changes [USD]."""
        return self._sum(self.usd_per_hour, *self._static_hours())

    @property
    def saved(self) -> float:
        """Share of GPU-hours that the schedule saves [-]; negative where starts cost more than they save."""
        return 1.0 - self.gpu_hours / self.static_gpu_hours

    def document(self) -> dict[str, Any]:
        """Return the JSON document: stable, versioned, without timings or dates."""
        numbers = {
            "gpu_hours": self.gpu_hours,
            "static_gpu_hours": self.static_gpu_hours,
            "usd": self.usd,
            "static_usd": self.static_usd,
            "saved_share_of_gpu_hours": self.saved,
        }
        return {
            "schema": "pdplan.schedule/1",
            "version": __version__,
            "scenario": self.scenario.model_dump(mode="json", exclude_none=True),
            "profile": {
                "source": self.profile.source,
                "step_s": self.profile.step_s,
                "repeats": self.profile.repeats,
            },
            "classes": [c.name for c in self.scenario.classes],
            "instances": {
                "prefill": {"kind": self.kinds[0], "gpus": self.gpus[0]},
                "decode": {"kind": self.kinds[1], "gpus": self.gpus[1]},
            },
            "startup_s": self.startup_s,
            "hysteresis_steps": self.hysteresis,
            "static": {"prefill": self.static[0], "decode": self.static[1]},
            **{k: float(f"{v:.10g}") for k, v in numbers.items()},
            "steps": [s.document() for s in self.steps],
        }

    def __str__(self) -> str:
        """Return the table of the day."""
        from pdplan.planner.schedule_text import schedule_text

        return schedule_text(self)


def schedule(
    scenario: Scenario,
    profile: RateProfile,
    *,
    startup_s: float = 300.0,
    hysteresis: int = 2,
    on_progress: Callable[[int], None] | None = None,
) -> Schedule:
    """Size each step by formulas with the instances of the peak's plan, then smooth the counts.

    Parameters
    ----------
    scenario : Scenario
        Lengths, objectives, hardware; its rates give the mix of classes where the profile has none.
    profile : RateProfile
        Rates in steps.
    startup_s : float
        From the order of an instance until it serves [s]; it is paid for meanwhile.
    hysteresis : int
        An instance is stopped only if it is not needed for so many steps or more [-]. It is never stopped
        for less time than a start takes.
    on_progress : callable, optional
        Told the steps sized so far.

    Raises
    ------
    InfeasibleError
        No fleet meets the objectives in some step.
    InputError
        Classes that differ, a hysteresis or start-up out of range.

    Notes
    -----
    Each step is sized as if its mean rate held: steps must be long against a request, and bursts inside a
    step are those of Poisson arrivals.
    """
    if hysteresis < 1:
        raise InputError(f"--hysteresis {hysteresis}: give at least 1 step")
    if not (math.isfinite(startup_s) and startup_s >= 0):
        raise InputError(f"--startup {startup_s:g} s: give a time of 0 s or more")
    problem = assemble(scenario)
    rates = profile.by_class({t.name: t.demand.arrival_rate for t in problem.traffic})
    best, _ = peak_plan(problem, rates)
    sizes = Sizes(problem, best.prefill, best.decode)
    needed = []
    for i, step in enumerate(rates):
        try:
            needed.append(sizes.counts(step))
        except InfeasibleError as error:
            raise InfeasibleError(
                f"step {i + 1} ({hours(i * profile.step_s)}) of {profile.source}: {error} with "
                f"{best.prefill.label} prefill and {best.decode.label} decode instances, the kinds of "
                f"the busiest step"
            ) from None
        if on_progress is not None:
            on_progress(i + 1)
    least = max(hysteresis, math.ceil(startup_s / profile.step_s))
    prefill, decode = (held([n[pool] for n in needed], least, repeats=profile.repeats) for pool in (0, 1))
    started = [starts(counts, repeats=profile.repeats) for counts in (prefill, decode)]
    steps = tuple(
        Step(i * profile.step_s, rates[i], needed[i], prefill[i], decode[i], started[0][i], started[1][i])
        for i in range(len(rates))
    )
    return Schedule(
        scenario,
        profile,
        steps,
        (best.prefill.label, best.decode.label),
        (best.prefill.gpus, best.decode.gpus),
        (best.prefill.price_usd_per_hour, best.decode.price_usd_per_hour),
        startup_s,
        hysteresis,
        least * profile.step_s,
    )


def held(needed: Sequence[int], least: int, *, repeats: bool) -> list[int]:
    """Fill every dip of fewer than ``least`` steps: the smallest counts that cover the need and never dip so.

    A dip that the end of a profile cuts short is filled too.

    Examples
    --------
    >>> held([3, 1, 3, 1, 1, 3], 2, repeats=False)
    [3, 3, 3, 1, 1, 3]
    >>> held([1, 3, 3, 1], 3, repeats=True), held([1, 3, 3, 1], 3, repeats=False)
    ([3, 3, 3, 3], [1, 3, 3, 3])
    """
    n = len(needed)
    reach = min(least, n)
    if repeats:
        before = [max(needed[(t - j) % n] for j in range(reach)) for t in range(n)]
        return [min(before[(t + j) % n] for j in range(reach)) for t in range(n)]
    before = [max(needed[max(0, t - reach + 1) : t + 1]) for t in range(n)]
    return [min(before[t : t + reach]) for t in range(n)]


def starts(counts: Sequence[int], *, repeats: bool) -> list[int]:
    """Instances that become ready at the start of each step; those of a trace's first step are there already.

    Examples
    --------
    >>> starts([1, 3, 2], repeats=True), starts([1, 3, 2], repeats=False)
    ([0, 2, 0], [0, 2, 0])
    """
    before = [counts[-1] if repeats else counts[0], *counts[:-1]]
    return [max(0, now - was) for now, was in zip(counts, before, strict=True)]
