"""Latency models in the form the kernels read: exact coefficients, or piecewise-linear tables.

A table is a grid whose nodes are set where the model bends: an interval is halved until interpolation in it
is off by less than `TOLERANCE`. Between batch changes a decode step then grows by a constant, so runs of
steps stay arithmetic within a cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InputError
from pdplan.latency.fitted import Fitted
from pdplan.latency.model import LatencyModel

Array = NDArray[np.float64]

#: Relative error of interpolation that halves an interval; over all axes of a grid it stays below 0.3%.
TOLERANCE = 1e-3
_ROUNDS = 16
_MOST_NODES = 400


@dataclass(frozen=True, eq=False, slots=True)
class PrefillTable:
    """Prefill step times: a + b n + c sq, or a grid over (new tokens n, attention squares per new token)."""

    coefficients: tuple[float, float, float] | None
    node_n: Array
    node_u: Array
    grid: Array


@dataclass(frozen=True, eq=False, slots=True)
class DecodeRows:
    """Decode step times ``level + slope C`` for every batch up to the cap and cell of the mean context.

    ``node``: lower ends of the cells of mean context [tok]; ``level`` [s] and ``slope`` [s/tok] by
    ``batch * cells + cell``, C the sum of contexts.
    """

    node: Array
    level: Array
    slope: Array

    @property
    def cells(self) -> int:
        """Cells of the mean context."""
        return int(self.node.size)


@dataclass(frozen=True, eq=False, slots=True)
class MixedTable:
    """Times of a step with decodes and a chunk of q prompt tokens.

    Linear: ``level[batch] + slope[batch] C + b q + c sq``. Else the sum of three tables, but never below a
    fourth: ``max(floor(batch, q), both(batch, q) + contexts(batch, C / batch) + attention(q,
    sq / q))``: decodes
    and chunk share the weights, their attention adds up, and a step may be held up by launches.
    """

    linear: bool
    level: Array
    slope: Array
    b: float
    c: float
    node_q: Array
    both: Array
    floor: Array
    node_m: Array
    contexts: Array
    attention_q: Array
    attention_u: Array
    attention: Array


def prefill_table(
    model: LatencyModel, longest_step: float, longest_context: float, factor: float
) -> PrefillTable:
    """Return the prefill times of ``model`` over ``factor``, up to the longest step and context."""
    none = np.zeros(2)
    if isinstance(model, Fitted):
        p = model.prefill
        values = (
            p.fixed_s + model.step_overhead_s,
            p.per_token_s + model.token_overhead_s,
            p.per_token_sq_s,
        )
        a, b, c = (v / factor for v in values)
        return PrefillTable((a, b, c), none, none, np.zeros((2, 2)))

    def at(n: Array, u: Array) -> Array:
        return np.asarray(model.prefill_step_s(n, n * u), dtype=float) / factor

    axes = [_start(1.0, longest_step), _start(1.0, 2.0 * longest_context)]
    nodes, grid = adaptive_grid(at, axes)
    return PrefillTable(None, nodes[0], nodes[1], grid)


def decode_rows(model: LatencyModel, max_batch: int, longest_context: float, factor: float) -> DecodeRows:
    """Return the decode times of ``model`` over ``factor`` for batches 0 to ``max_batch``.

    Raises
    ------
    InputError
        A step that gets faster as contexts grow, or that takes no time.
    """
    batch = np.arange(1.0, max_batch + 1.0)
    if isinstance(model, Fitted):
        node = np.zeros(1)
        fixed = np.asarray(model.decode_step_s(batch, np.zeros_like(batch)), dtype=float)
        start = np.array([r.from_batch for r in model.decode])
        which = np.searchsorted(start, batch, side="right") - 1
        per_token = np.array([r.per_context_token_s for r in model.decode])[which] + model.token_overhead_s
        level, slope = fixed[:, None], per_token[:, None]
    else:
        few = np.unique(np.rint(np.geomspace(1, max_batch, 24)))

        def at(m: Array, b: Array) -> Array:
            return np.asarray(model.decode_step_s(b, b * m), dtype=float)

        ends = _start(1.0, max(longest_context, 2.0))
        nodes, _ = adaptive_grid(at, [ends, few], fixed=(1,))
        m = nodes[0]
        step = at(m[None, :], batch[:, None])
        slope = np.diff(step, axis=1) / (batch[:, None] * np.diff(m)[None, :])
        slope = np.where(np.abs(slope) * m[-1] * batch[:, None] < 1e-12 * step[:, :1], 0.0, slope)
        level = step[:, :-1] - slope * batch[:, None] * m[None, :-1]
        node = m[:-1].copy()
        node[0] = 0.0
    if (slope < 0).any():
        raise InputError("the decode step gets faster as contexts grow: correct the latency table")
    if not (level + slope * batch[:, None] > 0).all():
        raise InputError("a decode step takes no time: give a latency model with positive step times")
    zero = np.zeros((1, node.size))
    return DecodeRows(
        node,
        np.ascontiguousarray(np.vstack([zero, level]).ravel() / factor),
        np.ascontiguousarray(np.vstack([zero, slope]).ravel() / factor),
    )


def mixed_table(
    model: LatencyModel, max_batch: int, budget: int, longest_context: float, factor: float
) -> MixedTable:
    """Return the times of steps with a chunk of up to ``budget`` tokens and up to ``max_batch`` decodes.

    ``factor`` slows the decode step, as everywhere; what the chunk adds to it is not slowed.
    """
    if isinstance(model, Fitted):
        batch = np.arange(0.0, max_batch + 1.0)
        level = np.asarray(model.mixed_step_s(batch, 0.0 * batch, 1.0 + 0 * batch, 0.0 * batch), dtype=float)
        level = level + _slowing(model, batch, 0.0 * batch, factor)
        per_token = model.prefill.per_token_s + model.token_overhead_s
        start = np.array([r.from_batch for r in model.decode])
        which = np.searchsorted(start, batch, side="right") - 1
        slope = np.array([r.per_context_token_s for r in model.decode])[which] + model.token_overhead_s
        return linear_mixed(
            level - per_token,
            slope / factor,
            per_token,
            model.prefill.per_token_sq_s,
        )
    return _additive_mixed(model, max_batch, float(max(budget, 2)), max(longest_context, 2.0), factor)


def _slowing(model: LatencyModel, batch: Any, context: Any, factor: float) -> Array:
    """What the step factor adds to a step of these decodes; nothing where there are none."""
    plain = np.asarray(model.decode_step_s(np.maximum(batch, 1.0), context), dtype=float)
    return np.asarray(np.where(np.asarray(batch) > 0, plain, 0.0) * (1.0 / factor - 1.0))


def linear_mixed(level: Array, slope: Array, b: float, c: float) -> MixedTable:
    """Return a table of coefficients by batch."""
    line, plane = np.zeros(2), np.zeros((2, 2))
    return MixedTable(True, level, slope, b, c, line, plane, plane, line, plane, line, line, plane)


def _additive_mixed(
    model: LatencyModel, max_batch: int, budget: float, longest: float, factor: float
) -> MixedTable:
    """Take a model apart at its heaviest step, where only work counts; `MixedTable` puts it together."""
    batch = np.arange(0.0, max_batch + 1.0)
    few = np.unique(np.rint(np.concatenate([np.linspace(0, max_batch, 33), np.geomspace(1, max_batch, 12)])))
    most = 2.0 * longest

    def at(b: Any, m: Any, q: Any, u: Any) -> Array:
        mixed = np.asarray(model.mixed_step_s(b, b * m, q, q * u), dtype=float)
        return np.asarray(mixed + _slowing(model, b, b * m, factor))

    def heavy(q: Array, b: Array) -> Array:
        return at(b, longest, q, most)

    def light(q: Array, b: Array) -> Array:
        return at(b, 0.0 * b, q, 0.0 * q)

    tokens = _start(1.0, budget)
    node_q = adaptive_grid(heavy, [tokens, few], fixed=(1,), tolerance=TOLERANCE / 4)[0][0]
    node_q = np.union1d(
        node_q, adaptive_grid(light, [tokens, few], fixed=(1,), tolerance=TOLERANCE / 3)[0][0]
    )
    both = heavy(node_q[None, :], batch[:, None])
    floor = light(node_q[None, :], batch[:, None])

    def reading(m: Array, b: Array) -> Array:
        return at(b, m, budget, most)

    node_m = adaptive_grid(reading, [_start(1.0, longest), few], fixed=(1,), tolerance=TOLERANCE / 16)[0][0]
    node_m[0] = 0.0  # a straight line near the origin: contexts do not bend below one token
    contexts = reading(node_m[None, :], batch[:, None]) - reading(np.array([[longest]]), batch[:, None])

    def attending(q: Array, u: Array) -> Array:
        return at(float(max_batch), longest, q, u)

    nodes, attention = adaptive_grid(attending, [tokens, _start(1.0, most)], tolerance=TOLERANCE / 200)
    attention = attention - attending(nodes[0], np.full_like(nodes[0], most))[:, None]
    none = np.zeros(1)
    return MixedTable(
        False, none, none, 0.0, 0.0, node_q, both, floor, node_m, np.ascontiguousarray(contexts), nodes[0],
        nodes[1], np.ascontiguousarray(attention),
    )  # fmt: skip


def adaptive_grid(
    function: Callable[..., Array],
    axes: Sequence[Array],
    fixed: tuple[int, ...] = (),
    tolerance: float = TOLERANCE,
) -> tuple[list[Array], Array]:
    """Return axes with nodes where ``function`` bends, and its values on them.

    Every interval of every axis (but the ``fixed``) is halved until the straight line through its ends is
    right to ``tolerance`` at its quarters, whatever the other coordinates at their nodes.
    """
    nodes = [np.asarray(a, dtype=float) for a in axes]
    for _ in range(_ROUNDS):
        grown = False
        for axis in range(len(nodes)):
            if axis in fixed or nodes[axis].size > _MOST_NODES:
                continue
            bent = _bent(function, nodes, axis, tolerance)
            if bent.any():
                low, high = nodes[axis][:-1][bent], nodes[axis][1:][bent]
                nodes[axis] = np.unique(np.concatenate([nodes[axis], _middle(low, high)]))
                grown = True
        if not grown:
            break
    return nodes, np.ascontiguousarray(function(*_mesh(nodes)))


def _bent(
    function: Callable[..., Array], nodes: list[Array], axis: int, tolerance: float
) -> NDArray[np.bool_]:
    """Return which intervals of one axis a straight line does not describe."""
    x = nodes[axis]
    shares = np.array([0.25, 0.5, 0.75])[:, None]
    inside = list(nodes)
    inside[axis] = (x[:-1] + shares * np.diff(x)).ravel()
    ends = np.moveaxis(np.asarray(function(*_mesh(nodes))), axis, 0).reshape(x.size, -1)
    true = np.moveaxis(np.asarray(function(*_mesh(inside))), axis, 0).reshape(3, x.size - 1, -1)
    line = ends[:-1] + shares[:, :, None] * np.diff(ends, axis=0)
    error = np.abs(line - true) / np.maximum(np.abs(true), 1e-12)
    bent = (error > tolerance).any(axis=(0, 2))
    narrow = np.diff(x) <= 1.0  # tokens and sequences are whole: nothing lies between
    return np.asarray(bent & ~narrow)


def _mesh(nodes: Sequence[Array]) -> list[Any]:
    return list(np.meshgrid(*nodes, indexing="ij", sparse=False))


def _middle(low: Array, high: Array) -> Array:
    """Geometric middles of wide intervals, arithmetic ones of narrow intervals, on whole numbers."""
    wide = high > 4.0 * np.maximum(low, 1.0)
    return np.rint(np.where(wide, np.sqrt(np.maximum(low, 1.0) * high), 0.5 * (low + high)))


def _start(low: float, high: float, points: int = 4) -> Array:
    top = max(high, 2.0 * low)
    return np.unique(np.rint(np.geomspace(low, top, points)))
