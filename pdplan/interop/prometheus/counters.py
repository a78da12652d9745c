"""Counters over a window: how much they grew, and how they grew window by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdplan.interop.prometheus.client import Series

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Growth:
    """One counter as a staircase that only climbs, restarts of its process taken out.

    Parameters
    ----------
    times_s : array
        Of the samples [s].
    total : array
        Growth since the first sample; what a process counted between its last sample and its end is lost.
    restarts : int
        Times that the counter fell.
    """

    times_s: Array
    total: Array
    restarts: int


def growth(series: Series) -> Growth:
    """Return the growth of a counter; after a fall it counts from 0 again.

    Examples
    --------
    >>> g = growth(Series({}, (0.0, 15.0, 30.0, 45.0), (7.0, 9.0, 1.0, 4.0)))
    >>> g.total.tolist(), g.restarts
    ([0.0, 2.0, 3.0, 6.0], 1)
    """
    values = np.array(series.values)
    steps = np.diff(values)
    fell = steps < 0
    steps = np.where(fell, values[1:], steps)
    return Growth(np.array(series.times_s), np.concatenate([[0.0], np.cumsum(steps)]), int(fell.sum()))


def scrape_interval_s(counters: Sequence[Growth]) -> float | None:
    """Return the median time between two samples [s]; None where no counter has two.

    Examples
    --------
    >>> scrape_interval_s([growth(Series({}, (0.0, 15.0, 30.0), (0.0, 1.0, 2.0)))])
    15.0
    """
    gaps = [np.diff(g.times_s) for g in counters if g.times_s.size > 1]
    return float(np.median(np.concatenate(gaps))) if gaps else None


def window_growth(counters: Sequence[Growth], window_s: float, scrape_s: float) -> Array:
    """Return the growth of all counters together in each whole window since the first sample.

    Targets are sampled at a steady pace, each at its own moments. Every counter is read half way between its
    samples, so that a sample that comes a little early or late stays in its window, and a window that is a
    multiple of the pace holds as many samples as the next.

    Examples
    --------
    >>> g = growth(Series({}, (0.0, 10.0, 20.01, 29.99, 40.0), (0.0, 5.0, 6.0, 9.0, 14.0)))
    >>> window_growth([g], 20.0, 10.0).tolist()
    [6.0, 8.0]
    """
    start = min(float(g.times_s[0]) for g in counters)
    end = max(float(g.times_s[-1]) for g in counters)
    # several targets: begin where each has a sample, and end where each has its last
    lead, reach = (scrape_s, end - start - 2.5 * scrape_s) if len(counters) > 1 else (0.0, end - start)
    number = max(int(reach / window_s + 0.01), 1)
    total = np.zeros(number + 1)
    for g in counters:
        phase_s = float(np.angle(np.exp(2j * np.pi * (g.times_s - start) / scrape_s).mean()))
        phase_s *= scrape_s / (2 * np.pi)
        edges = start + lead + phase_s + 0.5 * scrape_s + window_s * np.arange(number + 1)
        at = np.searchsorted(g.times_s, edges, side="right") - 1
        total += np.where(at >= 0, g.total[np.maximum(at, 0)], 0.0)
    return np.diff(total)
