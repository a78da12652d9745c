"""Cumulative histograms of many targets as one: counts by bucket and the exact sum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InputError
from pdplan.interop.prometheus.client import Series
from pdplan.interop.prometheus.counters import growth

Array = NDArray[np.float64]
#: Shares of a count that buckets of one target may disagree by: a scrape that fell between two questions.
_SLACK = 0.02


@dataclass(frozen=True, eq=False)
class Histogram:
    """Growth of one histogram over a window.

    Parameters
    ----------
    name : str
    edges : array, shape (k,)
        Upper ends of the finite buckets, ascending.
    counts : array, shape (k + 1,)
        Entries in each bucket; the last one has no upper end.
    total : float
        Sum of all entries, exact.
    """

    name: str
    edges: Array
    counts: Array
    total: float

    @property
    def count(self) -> float:
        """Number of entries."""
        return float(self.counts.sum())

    @property
    def mean(self) -> float:
        """Exact mean of the entries."""
        return self.total / self.count

    def without_zeros(self, zeros: float) -> Histogram:
        """Return the histogram without so many entries of 0 (they are in its first bucket)."""
        counts = self.counts.copy()
        counts[0] = max(counts[0] - zeros, 0.0)
        return Histogram(self.name, self.edges, counts, self.total)


def histogram(name: str, buckets: Mapping[frozenset[tuple[str, str]], float], total: float) -> Histogram:
    """Build from the growth of every bucket series (labels with ``le``), summed over targets.

    Where targets have different buckets, only the edges that all of them have are kept: the cumulative count
    at such an edge is exact for every target.

    Raises
    ------
    InputError
        Buckets that are no cumulative histogram.

    Examples
    --------
    >>> def series(target, le): return frozenset({"instance": target, "le": le}.items())
    >>> h = histogram("tokens", {series("a", "10"): 3, series("a", "20"): 5, series("a", "+Inf"): 6,
    ...                          series("b", "20"): 2, series("b", "+Inf"): 2}, 100.0)
    >>> h.edges.tolist(), h.counts.tolist(), h.mean
    ([20.0], [7.0, 1.0], 12.5)
    """
    targets: dict[frozenset[tuple[str, str]], dict[float, float]] = {}
    for labels, grown in buckets.items():
        le = next((v for k, v in labels if k == "le"), None)
        target = frozenset(item for item in labels if item[0] != "le")
        try:
            edge = float("nan" if le is None else le)
        except ValueError:
            edge = float("nan")
        if np.isnan(edge):
            raise InputError(f"{name}_bucket has the label le={le!r}, which is no number: not a histogram")
        targets.setdefault(target, {})[edge] = grown
    if not all(np.inf in t for t in targets.values()):
        raise InputError(f'{name}_bucket has no bucket le="+Inf": not a whole histogram')
    busy = [t for t in targets.values() if t[np.inf] > 0]
    shared = sorted(set.intersection(*(set(t) for t in busy))) if busy else [np.inf]
    cumulative = np.array([sum(t[edge] for t in busy) for edge in shared])
    counts = np.diff(np.concatenate([[0.0], cumulative]))
    if cumulative[-1] > 0 and counts.min() < -_SLACK * cumulative[-1]:
        raise InputError(
            f"{name}: a wider bucket grew less than a narrower one: the histogram was reset inside the "
            "window; ask for a shorter --window, from after the restart"
        )
    return Histogram(name, np.array(shared[:-1]), np.maximum(counts, 0.0), total)


def growth_by_labels(series: Iterable[Series]) -> dict[frozenset[tuple[str, str]], float]:
    """Return the growth of raw series by their labels, taking a restart where the whole target restarted.

    A restart shows in the bucket +Inf of a target, or in its sum: a small bucket may grow through it unseen.
    """
    found = list(series)
    whole = {_target(s): s for s in found if s.labels.get("le", "+Inf") in ("+Inf", "inf")}
    grown = {}
    for s in found:
        reference = whole.get(_target(s))
        grown[frozenset(s.labels.items())] = _growth_through(s, s if reference is None else reference)
    return grown


def _growth_through(series: Series, reference: Series) -> float:
    """Growth of one series where its reference series tells when the process restarted."""
    if series.times_s != reference.times_s:
        return float(growth(series).total[-1])
    values = np.array(series.values)
    steps = np.diff(values)
    restarted = (np.diff(np.array(reference.values)) < 0) | (steps < 0)
    return float(np.where(restarted, values[1:], steps).sum())


def _target(series: Series) -> frozenset[tuple[str, str]]:
    return frozenset(item for item in series.labels.items() if item[0] != "le")
