"""Which inputs of a plan are in doubt, how much, and who says so; and points drawn from them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InputError, ScenarioError
from pdplan.planner.instances import InstanceOption
from pdplan.planner.problem import Problem
from pdplan.planner.sobol import scrambled_sobol
from pdplan.spec.catalog import catalog_document
from pdplan.spec.scenario import InlineLatency, Scenario
from pdplan.spec.uncertainty import CERTAIN, Interval, Lognormal, Spread

Array = NDArray[np.float64]

#: The inputs, in the order of the sample's columns.
INPUTS: Final = (
    "rate",
    "prompt_tokens",
    "output_tokens",
    "prefill_time",
    "decode_time",
    "step_factor",
    "link",
)

#: Measured over roofline times of present-day engines, docs/validation/roofline.md: 35 prefill and 41 decode
#: rows (NVIDIA Dynamo, H200; Mooncake, H800 and H20-3e). Median, and 1.4826 x the median distance of the
#: logarithm from its median: a few rows are far off, with causes of their own that the page names.
ROOFLINE: Final = {"prefill_time": Lognormal(0.22, 1.23), "decode_time": Lognormal(0.13, 1.11)}

#: Median of |z| of a standard normal: turns a median absolute error into a standard deviation.
MEDIAN_ABS_Z: Final = 0.6745

#: Errors are never taken below this: a fit of few points cannot know itself better.
LEAST_SD: Final = 0.01

_MEDIAN: Final = re.compile(r"(?P<cross>cross-validated )?median (?P<percent>\d+(\.\d+)?)%")


@dataclass(frozen=True, slots=True)
class DoubtfulInput:
    """One input: how far off it may be, and where that comes from."""

    name: str
    spread: Spread
    source: str

    @property
    def is_certain(self) -> bool:
        """Whether it is taken as planned."""
        return self.spread == CERTAIN


def doubtful_inputs(
    problem: Problem, prefill: InstanceOption, decode: InstanceOption
) -> tuple[DoubtfulInput, ...]:
    """Return every input with its uncertainty: as the scenario writes it, else as measured, else none.

    Raises
    ------
    ScenarioError
        A step factor that could leave its range.
    """
    written = problem.scenario.uncertainty
    rows = []
    for name in INPUTS:
        spread = None if written is None else getattr(written, name)
        if spread is not None:
            rows.append(DoubtfulInput(name, spread, "scenario"))
        elif name in ROOFLINE:
            rows.append(_latency_default(problem, name, prefill if name == "prefill_time" else decode))
        else:
            rows.append(DoubtfulInput(name, CERTAIN, "not stated"))
    _check_step_factor(problem.scenario, rows[INPUTS.index("step_factor")].spread)
    return tuple(rows)


def _check_step_factor(scenario: Scenario, spread: Spread) -> None:
    """Refuse a step factor beyond 1: an instance under load is not faster than one alone."""
    planned = scenario.decode.step_factor
    where = f"{scenario.origin.at(('uncertainty', 'step_factor'))}: uncertainty.step_factor"
    if not isinstance(spread, Interval):
        raise ScenarioError(f"{where} is {spread}: it is at most 1, so give an interval, e.g. +-5%")
    high = planned * spread.high
    if spread != CERTAIN and high > 1.0 + 1e-9:
        room = np.floor(1e4 * (1.0 / planned - 1.0)) / 1e2
        raise ScenarioError(
            f"{where} reaches {high:.4g}: decode.step_factor is {planned:g} and at most 1, so give at most "
            f"high: +{room:g}%"
        )


def _latency_default(problem: Problem, name: str, option: InstanceOption) -> DoubtfulInput:
    """Error of the step times: of the fit if its profile says it, of the roofline as measured, else none."""
    latency = problem.scenario.latency
    if isinstance(latency, InlineLatency):
        return DoubtfulInput(name, CERTAIN, "measured table of the scenario, its error is not stated")
    if latency == "roofline":
        return DoubtfulInput(
            name, ROOFLINE[name], "roofline against measurements (docs/validation/roofline.md)"
        )
    try:
        said = _fit_error(problem.scenario, latency, option)
    except InputError:
        said = ""
    return fit_spread(name, said, latency)


def fit_spread(name: str, said: str, profile: str) -> DoubtfulInput:
    """Return the uncertainty of a step time from what its profile says of its fit.

    Examples
    --------
    >>> said = "prefill 8 points, cross-validated median 2.7%, p90 5.0%; decode 6 points, error not known"
    >>> found = fit_spread("prefill_time", said, "mine")
    >>> str(found.spread), found.source                    # 2.7% / 0.6745
    ('lognormal, sd 0.04', 'cross-validated error of mine: median 2.7%')
    >>> fit_spread("decode_time", said, "mine").is_certain
    True
    """
    kind = name.removesuffix("_time")
    part = next((p for p in said.split(";") if p.strip().startswith(kind)), "")
    found = _MEDIAN.search(part)
    if found is None:
        return DoubtfulInput(name, CERTAIN, f"profile {profile} does not say the error of its fit")
    median = float(found["percent"]) / 100.0
    how = "cross-validated error" if found["cross"] else "error of the fit"
    sd = max(LEAST_SD, round(median / MEDIAN_ABS_Z, 4))
    return DoubtfulInput(name, Lognormal(sd), f"{how} of {profile}: median {found['percent']}%")


def _fit_error(scenario: Scenario, name: str, option: InstanceOption) -> str:
    """Return what the profile says of its fit at the parallelism of an instance."""
    from pdplan.latency.profile import LatencyProfile, load_profile

    if name.startswith("aiconfigurator:"):
        return ""
    path = Path(scenario.origin.source).parent / name
    profile = (
        load_profile(path)
        if path.suffix in (".yaml", ".yml")
        else LatencyProfile.from_document(catalog_document("latency", name))
    )
    return profile.fit_errors.get((option.tp, option.pp), "")


def draw_factors(inputs: tuple[DoubtfulInput, ...], samples: int, seed: int) -> Array:
    """Draw factors on every input, one row a sample: a scrambled Sobol sequence over those in doubt.

    Raises
    ------
    InputError
        ``samples`` out of range.

    Examples
    --------
    >>> inputs = DoubtfulInput("rate", Interval(0.5, 1.5), "me"), DoubtfulInput("link", CERTAIN, "me")
    >>> rows = draw_factors(inputs, 64, seed=0)
    >>> rows.shape, bool(abs(rows[:, 0].mean() - 1) < 0.01), float(rows[:, 1].min())
    ((64, 2), True, 1.0)
    """
    if not 16 <= samples <= 1 << 20:
        raise InputError(f"samples is {samples}: give 16 to {1 << 20:,}, a power of two such as 256")
    factors = np.ones((samples, len(inputs)))
    doubtful = [i for i, row in enumerate(inputs) if not row.is_certain]
    if not doubtful:
        return factors
    power = int(np.ceil(np.log2(samples)))
    unit = scrambled_sobol(power, len(doubtful), seed)[:samples]
    unit = np.maximum(unit, 2.0**-33)  # 0 has no logarithm
    for column, i in enumerate(doubtful):
        factors[:, i] = inputs[i].spread.quantile(unit[:, column])
    return factors
