"""Classes that a trace suggests: by a column that names them, or by clusters of lengths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from pdplan.workload.clusters import clusters
from pdplan.workload.histogram import Places, chunks
from pdplan.workload.law import Array
from pdplan.workload.traces import Labels

_MOST_CLASSES: Final = 8  # further values of a column are put together
_BINS_PER_FACTOR: Final = 5  # bins of the logarithm of a length for each factor of e
LEAST_REQUESTS: Final = 200  #: fewer show no clusters
_SAMPLE: Final = 500_000  # requests clustered, evenly taken: a share is then known to 0.1%


@dataclass(frozen=True, slots=True)
class SuggestedClass:
    """One class: its share of the requests [-], mean lengths [tok] and their SCV [-]."""

    name: str
    share: float
    prompt_mean: float
    prompt_scv: float
    output_mean: float
    output_scv: float


@dataclass(frozen=True, slots=True)
class SuggestedClasses:
    """Classes and what telling them apart explains.

    Parameters
    ----------
    by : str
        "lengths", or the column that names the classes.
    classes : tuple of SuggestedClass
        Largest share first.
    prompt_scv_within, output_scv_within : float
        Variance of the lengths inside the classes, over the squared mean of all requests [-]: what is left
        of the SCV of all requests once the class is known.
    """

    by: str
    classes: tuple[SuggestedClass, ...]
    prompt_scv_within: float
    output_scv_within: float


def suggested_classes(
    prompt_tokens: Array, output_tokens: Array, labels: Labels | None = None
) -> SuggestedClasses | None:
    """Return classes by the labels, where they have two values or more, else by clusters of lengths.

    None where the requests are one class: no labels, and no clusters that stand apart (`clusters`).

    Examples
    --------
    >>> short, long = np.arange(90.0, 110.0), np.arange(3900.0, 4100.0, 10.0)
    >>> prompts = np.tile(np.concatenate([short, long]), 20)
    >>> found = suggested_classes(prompts, np.full(prompts.size, 50.0))
    >>> [(round(c.share, 2), round(c.prompt_mean)) for c in found.classes]
    [(0.5, 100), (0.5, 3995)]
    """
    if labels is not None and len(labels.values) > 1:
        return _by_label(prompt_tokens, output_tokens, labels)
    if prompt_tokens.size < LEAST_REQUESTS:
        return None
    step = -(-prompt_tokens.size // _SAMPLE)
    return _by_length(prompt_tokens[::step], output_tokens[::step])


def _by_label(prompt: Array, output: Array, labels: Labels) -> SuggestedClasses:
    sums = _sums(prompt, output, lambda part: labels.codes[part].astype(np.int64), len(labels.values))
    order = np.argsort(-sums[0], kind="stable")
    names = [labels.values[k] or "(none)" for k in order[:_MOST_CLASSES]]
    kept = sums[:, order[:_MOST_CLASSES]]
    if order.size > _MOST_CLASSES:
        kept = np.column_stack([kept, sums[:, order[_MOST_CLASSES:]].sum(axis=1)])
        names.append(f"{order.size - _MOST_CLASSES} others")
    return _classes(labels.name, names, kept)


def _by_length(prompt: Array, output: Array) -> SuggestedClasses | None:
    """Cluster the cells of a grid of logarithms, each with the requests in it."""
    wide = int(np.log(float(prompt.max())) * _BINS_PER_FACTOR) + 1
    high = int(np.log(float(output.max())) * _BINS_PER_FACTOR) + 1

    def cell(part: slice) -> Places:
        x = (np.log(prompt[part]) * _BINS_PER_FACTOR).astype(np.int64)
        y = (np.log(output[part]) * _BINS_PER_FACTOR).astype(np.int64)
        found: Places = x * high + y
        return found

    sums = _sums(prompt, output, cell, wide * high)
    sums = sums[:, sums[0] > 0]
    points = np.log(np.column_stack([sums[1], sums[3]]) / sums[0][:, None])
    assigned = clusters(points, sums[0], spread=1.0 / _BINS_PER_FACTOR)
    count = int(assigned.max()) + 1
    if count == 1:
        return None
    joined: Array = np.stack([np.bincount(assigned, row, minlength=count) for row in sums])
    joined = joined[:, np.argsort(-joined[0], kind="stable")]
    names = [f"{p:.0f} in, {o:.0f} out" for p, o in (joined[[1, 3]] / joined[0]).T]
    return _classes("lengths", names, joined)


def _sums(prompt: Array, output: Array, group: Callable[[slice], Places], groups: int) -> Array:
    """Return rows (requests, sum and sum of squares of prompts, the same of outputs) by group."""
    total = np.zeros((5, groups))
    for part in chunks(prompt.size):
        at, x, y = group(part), prompt[part], output[part]
        for row, weight in enumerate((None, x, x * x, y, y * y)):
            total[row] += np.bincount(at, weight, minlength=groups)
    return total


def _classes(by: str, names: list[str], sums: Array) -> SuggestedClasses:
    n, x, xx, y, yy = sums
    total = n.sum()
    prompt_var, output_var = np.maximum(xx / n - (x / n) ** 2, 0.0), np.maximum(yy / n - (y / n) ** 2, 0.0)
    classes = tuple(
        SuggestedClass(
            name,
            float(n[k] / total),
            float(x[k] / n[k]),
            float(prompt_var[k] / (x[k] / n[k]) ** 2),
            float(y[k] / n[k]),
            float(output_var[k] / (y[k] / n[k]) ** 2),
        )
        for k, name in enumerate(names)
    )
    return SuggestedClasses(
        by,
        classes,
        float(n @ prompt_var / total / (x.sum() / total) ** 2),
        float(n @ output_var / total / (y.sum() / total) ** 2),
    )
