"""What the statistics of a trace mean, in words."""

from __future__ import annotations

import math
from typing import Final

from pdplan.workload.described import ArrivalStatistics, ReuseStatistics, TraceStatistics

_POISSON: Final = (0.8, 1.25)
_SIGNIFICANT: Final = 3.0  # standard errors beyond which a dispersion is no chance


def arrival_sentences(arrivals: ArrivalStatistics) -> list[str]:
    """Return what to know of the arrivals before planning for them.

    Examples
    --------
    >>> a = ArrivalStatistics(5.5, 3500.0, 60.0, 8.5, 8.5, 1.04, {60.0: 20.0}, None, 0.0, {0.5: 5.6}, 58)
    >>> arrival_sentences(a)[0]
    'Inside one-minute windows arrivals look Poisson (c_a^2 1.04), but the rate drifts: ...'
    """
    said = []
    if arrivals.tick_s is not None:
        said.append(
            f"Timestamps tick every {duration(arrivals.tick_s)}, with {arrivals.rate * arrivals.tick_s:.3g} "
            "requests on a tick: each was moved to a random place in its tick before anything was computed."
        )
    inside = _inside(arrivals)
    drift = _drift(arrivals)
    joint = ", but " if inside and drift.startswith("the rate drifts") else ", and "
    sentence = joint.join(part for part in (inside, drift) if part)
    return [*said, sentence[0].upper() + sentence[1:] + "."] if sentence else said


def _inside(arrivals: ArrivalStatistics) -> str:
    scv = arrivals.local_scv
    if scv is None:
        if arrivals.tick_s is not None:
            return "gaps between single requests are finer than the clock, so they cannot be judged"
        return ""
    like = (
        "look Poisson"
        if _POISSON[0] <= scv <= _POISSON[1]
        else "are more regular than Poisson"
        if scv < 1
        else "come in bursts"
    )
    return f"inside {windows_of(arrivals.window_s)} arrivals {like} (c_a^2 {scv:.2f})"


def _drift(arrivals: ArrivalStatistics) -> str:
    if arrivals.windows < 5:
        return ""
    dispersion = arrivals.index_of_dispersion.get(arrivals.window_s)
    if dispersion is None:
        return ""
    chance = max(arrivals.local_scv or 1.0, 1.0)
    limit = chance * (1.0 + _SIGNIFICANT * math.sqrt(2.0 / (arrivals.windows - 1)))
    if dispersion <= limit:
        return "the rate holds: windows differ no more than chance makes them"
    return (
        f"the rate drifts: the busiest {_window(arrivals.window_s)} has {arrivals.peak_rate:.3g} req/s "
        f"against a mean of {arrivals.rate:.2g}"
    )


def reuse_sentence(reuse: ReuseStatistics, measured: TraceStatistics) -> str:
    """Return what a cache would have held.

    Parameters
    ----------
    reuse : ReuseStatistics
    measured : TraceStatistics
        For the whole prompts beside what is left of them.
    """
    cache = (
        "a cache without limit"
        if reuse.cache_tokens is None
        else f"a cache of {count(reuse.cache_tokens)} tok"
    )
    return (
        f"{reuse.hit:.1%} of the prompt tokens would be found in {cache}. Left to prefill: "
        f"{reuse.uncached.mean:,.0f} tokens a request instead of {measured.prompt.mean:,.0f}, "
        f"SCV {reuse.uncached.scv:.2f} instead of {measured.prompt.scv:.2f}."
    )


def duration(seconds: float) -> str:
    """Return a time as people say it.

    Examples
    --------
    >>> duration(3.0), duration(0.001), duration(3500.0), duration(90000.0)
    ('3 s', '1 ms', '58.3 min', '25 h')
    """
    for unit_s, name in ((172800.0, "days"), (7200.0, "h"), (120.0, "min")):
        if seconds >= unit_s:
            return f"{seconds / {'days': 86400.0, 'h': 3600.0, 'min': 60.0}[name]:.3g} {name}"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def windows_of(window_s: float) -> str:
    """Return windows of a length in words.

    Examples
    --------
    >>> windows_of(60.0), windows_of(3600.0), windows_of(10.0)
    ('one-minute windows', 'one-hour windows', 'windows of 10 s')
    """
    return {60.0: "one-minute windows", 3600.0: "one-hour windows"}.get(
        window_s, f"windows of {duration(window_s)}"
    )


def _window(window_s: float) -> str:
    return {60.0: "minute", 3600.0: "hour"}.get(window_s, f"window of {duration(window_s)}")


def count(number: float) -> str:
    """Return a large number shortly.

    Examples
    --------
    >>> count(2_000_000), count(1_500), count(37)
    ('2 M', '1,500', '37')
    """
    return f"{number / 1e6:.4g} M" if number >= 1e6 else f"{number:,.0f}"
