"""Decode as a table: batch -> time per output token -> throughput, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdplan.checks import require_fraction, require_positive
from pdplan.errors import InfeasibleError, InputError
from pdplan.latency.model import LatencyModel

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DecodeTable:
    """Time per output token of one instance at batch sizes, linear in between.

    Parameters
    ----------
    batch : array, shape (n,)
        Requests decoding together, increasing, > 0 [-].
    tpot_s : array, shape (n,)
        Time per output token of each of them [s]; need not be monotone.

    Notes
    -----
    Outside the table nothing is answered: a batch or a target beyond its ends is an error or the end itself,
    as each method says. ``in_system`` slows a table that was measured on an isolated benchmark.

    Raises
    ------
    InputError
        Fewer than two rows, batches not increasing, times not positive.

    References
    ----------
    Li, Li, Gong, Zhang 2026, arXiv 2603.04716, figure 2 and section 4.

    Examples
    --------
    >>> table = DecodeTable.from_mapping({10: 0.0128, 20: 0.0164, 30: 0.0188, 40: 0.0216})
    >>> round(table.largest_batch(0.020), 4), round(float(table.throughput(table.largest_batch(0.020))), 4)
    (34.2857, 1714.2857)
    """

    batch: Array
    tpot_s: Array

    def __post_init__(self) -> None:
        """Check the rows once."""
        object.__setattr__(self, "batch", np.asarray(self.batch, dtype=float))
        object.__setattr__(self, "tpot_s", np.asarray(self.tpot_s, dtype=float))
        require_positive("batch", self.batch)
        require_positive("tpot_s", self.tpot_s, "s")
        if self.batch.ndim != 1 or self.batch.shape != self.tpot_s.shape or self.batch.size < 2:
            raise InputError("a decode table needs two or more rows of one batch and one time each")
        if not (np.diff(self.batch) > 0).all():
            raise InputError("the batches of a decode table must increase")

    @classmethod
    def from_mapping(cls, tpot_s_by_batch: Mapping[float, float]) -> DecodeTable:
        """Make a table of {batch: time per output token [s]}, in any order."""
        batches = sorted(tpot_s_by_batch)
        return cls(np.array(batches, dtype=float), np.array([tpot_s_by_batch[b] for b in batches]))

    @classmethod
    def from_latency(
        cls,
        model: LatencyModel,
        mean_context_tokens: float,
        max_batch: int,
        *,
        step_factor: float = 0.95,
        tokens_per_step: float = 1.0,
    ) -> DecodeTable:
        r"""Make a table for batches 1 .. max_batch, every context at its mean.

        .. math:: TPOT(b) = \frac{t(b,\, b\,\overline{ctx})}{f\,m}

        Parameters
        ----------
        model : LatencyModel
            Step times t of an isolated instance.
        mean_context_tokens : float
            Context of a request, seen by a step [tok].
        max_batch : int
            Largest batch of the engine [-].
        step_factor : float
            f, in-system over isolated speed [-]: 0.95 reproduces the six in-system points of arXiv
            2603.04716 within 1.3%.
        tokens_per_step : float
            m, mean tokens per step with speculative decoding [-].
        """
        require_positive("max_batch", max_batch)
        require_positive("mean_context_tokens", mean_context_tokens, "tok", zero_ok=True)
        require_positive("tokens_per_step", tokens_per_step)
        require_fraction("step_factor", step_factor, open_low=True)
        batch = np.arange(1.0, max(2, int(max_batch)) + 1)
        step_s = np.asarray(model.decode_step_s(batch, batch * mean_context_tokens), dtype=float)
        return cls(batch, step_s / (step_factor * tokens_per_step))

    def in_system(self, step_factor: float = 0.95) -> DecodeTable:
        """Return the table with every time divided by the step factor f [-] (see `from_latency`).

        Examples
        --------
        >>> DecodeTable.from_mapping({1: 0.019, 2: 0.038}).in_system(0.95).tpot_s.round(6).tolist()
        [0.02, 0.04]
        """
        require_fraction("step_factor", step_factor, open_low=True)
        return DecodeTable(self.batch, self.tpot_s / step_factor)

    def tpot(self, batch: ArrayLike) -> Any:
        """Time per output token at a batch inside the table [s], linear between rows.

        Raises
        ------
        InputError
            A batch outside the table.

        Examples
        --------
        >>> round(float(DecodeTable.from_mapping({10: 0.0128, 20: 0.0164}).tpot(15)), 4)
        0.0146
        """
        b = np.asarray(batch, dtype=float)
        low, high = self.batch[0], self.batch[-1]
        if not ((b >= low) & (b <= high)).all():
            raise InputError(
                f"batch {np.ravel(b)[0]:g} is outside the table ({low:g} to {high:g}): measure there, "
                "or use a latency model"
            )
        return np.interp(b, self.batch, self.tpot_s)

    def throughput(self, batch: ArrayLike) -> Any:
        """Output tokens per second of one instance at a batch, b / TPOT(b) [tok/s].

        Examples
        --------
        >>> float(DecodeTable.from_mapping({10: 0.0128, 20: 0.0164}).throughput(10))
        781.25
        """
        return np.asarray(batch, dtype=float) / self.tpot(batch)

    def largest_batch(self, tpot_s: float) -> float:
        """Largest batch of the table whose TPOT is within a target, fractional between rows [-].

        Rule where the table falls somewhere (DistServe's fits jump down at batch 95): the largest of *all*
        batches that meet the target, even if some smaller ones miss it. An engine that keeps its batch there
        can use it; one whose batch wanders should use `first_crossing`.

        Raises
        ------
        InfeasibleError
            No batch of the table meets the target.

        Examples
        --------
        >>> bump = DecodeTable.from_mapping({1: 0.05, 94: 0.106, 95: 0.09, 128: 0.098})
        >>> bump.largest_batch(0.1), round(bump.first_crossing(0.1), 2)
        (128.0, 84.04)
        """
        inside = self._meets(tpot_s)
        last = int(np.flatnonzero(inside)[-1])
        if last == self.batch.size - 1:
            return float(self.batch[-1])
        return self._cross(last, tpot_s)

    def first_crossing(self, tpot_s: float) -> float:
        """Largest batch such that it and *every smaller one* of the table meet the TPOT target [-].

        Raises
        ------
        InfeasibleError
            The smallest batch of the table misses the target.
        """
        inside = self._meets(tpot_s)
        if not inside[0]:
            raise InfeasibleError(self._too_tight(tpot_s, float(self.tpot_s[0])))
        if inside.all():
            return float(self.batch[-1])
        return self._cross(int(np.flatnonzero(~inside)[0]) - 1, tpot_s)

    def quadratic_throughput(self, tpot_s: ArrayLike) -> Any:
        """Throughput at a TPOT from a least-squares parabola through all rows [tok/s].

        The method of arXiv 2603.04716 (section 4 and its demo): throughput = polynomial of degree 2 in TPOT.

        Raises
        ------
        InputError
            A target outside the measured times, or fewer than three rows.

        Examples
        --------
        >>> table = DecodeTable.from_mapping(
        ...     {10: 0.0128, 20: 0.0164, 30: 0.0188, 40: 0.0216, 50: 0.0239, 60: 0.0262})
        >>> round(float(table.quadratic_throughput(0.020)), 4)
        1690.9547
        """
        t = np.asarray(tpot_s, dtype=float)
        low, high = float(self.tpot_s.min()), float(self.tpot_s.max())
        if self.batch.size < 3:
            raise InputError("a parabola needs three rows or more: use throughput(largest_batch(...))")
        if not ((t >= low) & (t <= high)).all():
            raise InputError(
                f"tpot_s {np.ravel(t)[0]:g} s is outside the measured times ({low:g} to {high:g} s)"
            )
        scale = high
        return np.polyval(np.polyfit(self.tpot_s / scale, self.batch / self.tpot_s, 2), t / scale)

    def _meets(self, tpot_s: float) -> NDArray[np.bool_]:
        require_positive("tpot_s", tpot_s, "s")
        inside = self.tpot_s <= tpot_s
        if not inside.any():
            raise InfeasibleError(self._too_tight(tpot_s, float(self.tpot_s.min())))
        return inside

    def _cross(self, row: int, tpot_s: float) -> float:
        """Batch between a row that meets the target and the next, that misses it."""
        t0, t1 = self.tpot_s[row], self.tpot_s[row + 1]
        b0, b1 = self.batch[row], self.batch[row + 1]
        return float(b0 + (b1 - b0) * (tpot_s - t0) / (t1 - t0))

    def _too_tight(self, tpot_s: float, best_s: float) -> str:
        return (
            f"tpot_s {tpot_s:g} s is below {best_s:.4g} s, what the table gives at its best: "
            "raise the target, or use more TP"
        )
