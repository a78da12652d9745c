"""Step times read off a table: prompt tokens -> s, and batch (and mean context) -> s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.latency.interpolate import Array, interpolate, require_curve, with_origin
from pdplan.trust import Trust


@dataclass(frozen=True, slots=True)
class DecodeCurve:
    """Decode step time by batch, at one mean context; ``mean_context_tokens`` may be unknown."""

    batch: tuple[float, ...]
    step_s: tuple[float, ...]
    mean_context_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class Tabulated:
    """A `LatencyModel` that interpolates measurements.

    Between points it is linear, so as monotone as the table, which must not descend. Beyond the last point
    the last segment continues, and below the first the first one, down to batch 0; `prefill_range` and
    `decode_range` let a caller label such numbers. Contexts between two curves are interpolated, above the
    last extrapolated; below the first, the first curve holds (an upper estimate).

    Parameters
    ----------
    prefill_tokens, prefill_s : tuple of float
        Prompt tokens of a step [tok] and its time [s]. Attention over cached tokens is not in such a table.
    decode : tuple of DecodeCurve
        One, or several with ascending mean contexts.
    source : str
    ttft_overhead_s : float
        Time before the prefill that belongs to a request, not to a step [s].
    kv_capacity_tokens : int, optional
        Tokens of KV that one instance holds, where known.

    Examples
    --------
    >>> model = Tabulated((1000, 2000), (0.1, 0.25), (DecodeCurve((10, 20), (0.012, 0.016)),), "bench")
    >>> round(float(model.prefill_step_s(1500, 0)), 3), round(float(model.decode_step_s(15, 9e4)), 3)
    (0.175, 0.014)
    """

    prefill_tokens: tuple[float, ...]
    prefill_s: tuple[float, ...]
    decode: tuple[DecodeCurve, ...]
    source: str
    ttft_overhead_s: float = 0.0
    kv_capacity_tokens: int | None = None
    prefill_range: tuple[float, float] = field(init=False)
    decode_range: tuple[float, float] = field(init=False)
    trust: Trust = field(default=Trust.APPROXIMATE, init=False)
    _prefill: tuple[Array, Array] = field(init=False, repr=False, compare=False)
    _decode: tuple[tuple[Array, Array], ...] = field(init=False, repr=False, compare=False)
    _contexts: Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the curves and prepare them for interpolation."""
        require_positive("ttft_overhead_s", self.ttft_overhead_s, "s", zero_ok=True)
        if not self.decode:
            raise InputError("the decode table is empty: give at least one batch and its step time")
        tokens, times = require_curve("the prefill table", self.prefill_tokens, self.prefill_s)
        curves = [require_curve("the decode table", c.batch, c.step_s) for c in self.decode]
        contexts = [c.mean_context_tokens for c in self.decode]
        if len(curves) > 1 and (None in contexts or sorted(set(contexts)) != contexts):  # type: ignore[type-var]
            raise InputError("decode curves need ascending mean_context_tokens, one for each")
        _set(self, "prefill_range", (float(tokens[0]), float(tokens[-1])))
        lowest, highest = min(float(x[0]) for x, _ in curves), max(float(x[-1]) for x, _ in curves)
        _set(self, "decode_range", (lowest, highest))
        _set(self, "_prefill", with_origin(tokens, times))
        _set(self, "_decode", tuple(with_origin(x, y) for x, y in curves))
        _set(self, "_contexts", np.array([0.0 if c is None else c for c in contexts]))

    @classmethod
    def from_rates(
        cls,
        max_prefill_tokens_per_s: float,
        decode_step_s: Mapping[float, float],
        *,
        source: str,
        overhead_s: float = 0.0,
    ) -> Tabulated:
        """Build from a benchmarked maximum and a table {batch: s}, as in arXiv 2603.04716.

        Prefill takes ``n / max_prefill``; the overhead is kept apart as `ttft_overhead_s`.

        Examples
        --------
        >>> model = Tabulated.from_rates(28309, {10: 0.0128, 20: 0.0164}, source="demo", overhead_s=0.1)
        >>> round(float(model.prefill_step_s(6144, 0)), 4), model.ttft_overhead_s
        (0.217, 0.1)
        """
        require_positive("max_prefill", max_prefill_tokens_per_s, "tok/s")
        batches = tuple(sorted(decode_step_s))
        curve = DecodeCurve(batches, tuple(decode_step_s[b] for b in batches))
        # Two points make a line through the origin.
        ends = (1.0, 1e6)
        times = tuple(n / max_prefill_tokens_per_s for n in ends)
        return cls(ends, times, (curve,), source, overhead_s)

    def prefill_step_s(self, new_tokens: Any, attention_tokens_sq: Any) -> Any:
        """Time of one prefill step [s]; ``attention_tokens_sq`` is part of the table already."""
        del attention_tokens_sq
        return interpolate(new_tokens, *self._prefill)

    def decode_step_s(self, batch: Any, context_tokens: Any) -> Any:
        """Time of one decode step [s]."""
        if len(self._decode) == 1:
            one = interpolate(batch, *self._decode[0])
            shape = np.broadcast_shapes(np.shape(batch), np.shape(context_tokens))
            return np.broadcast_to(one, shape) if shape else one
        rows = [interpolate(batch, x, y) for x, y in self._decode]
        mean = np.asarray(context_tokens, dtype=float) / np.maximum(np.asarray(batch, dtype=float), 1.0)
        mean = np.maximum(mean, self._contexts[0])
        below = np.clip(np.searchsorted(self._contexts, mean, side="right") - 1, 0, len(rows) - 2)
        low, high = np.choose(below, rows[:-1]), np.choose(below, rows[1:])
        start, end = self._contexts[below], self._contexts[below + 1]
        return low + (high - low) * (mean - start) / (end - start)

    def mixed_step_s(
        self, batch: Any, context_tokens: Any, chunk_tokens: Any, chunk_attention_tokens_sq: Any
    ) -> Any:
        """Time of a step with decodes and a chunk: both, less the smaller of their fixed parts [s]."""
        chunk, decodes = np.asarray(chunk_tokens, dtype=float), np.asarray(batch, dtype=float)
        prefill = np.where(chunk > 0, self.prefill_step_s(chunk, chunk_attention_tokens_sq), 0.0)
        decode = np.where(decodes > 0, self.decode_step_s(decodes, context_tokens), 0.0)
        fixed = min(float(self._prefill[1][0]), min(float(y[0]) for _, y in self._decode))
        return prefill + decode - np.where((chunk > 0) & (decodes > 0), fixed, 0.0)


def _set(frozen: Any, name: str, value: Any) -> None:
    """Set a derived field of a frozen dataclass during its construction."""
    object.__setattr__(frozen, name, value)
