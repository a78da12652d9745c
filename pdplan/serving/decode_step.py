"""Time of one decode step as a function of the batch alone: t(n)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_fraction, require_positive
from pdplan.latency.model import LatencyModel
from pdplan.serving.decode_table import DecodeTable

Array = NDArray[np.float64]


class StepTime(Protocol):
    """t(n) of one instance, every request at the mean context."""

    @property
    def valid_to(self) -> float:
        """Largest batch for which the times were made [-]."""
        ...

    @property
    def per_context_token_s(self) -> float:
        """What one more token of context adds to a step [s/tok]; 0 if unknown or none."""
        ...

    def at(self, batch: Any) -> Array:
        """Step time at batches >= 1, fractional ones too [s]."""
        ...


@dataclass(frozen=True, slots=True)
class AffineStep:
    r"""t(n) = a + (beta + gamma kv) n.

    Parameters
    ----------
    base_s : float
        a: weights, launches, communication start-up [s].
    per_sequence_s : float
        beta: what a request adds besides reading its KV [s].
    per_context_token_s : float
        gamma: reading one token of context [s/tok].
    mean_context : float
        kv: mean context of a running request [tok].

    Examples
    --------
    >>> AffineStep(0.008, 1e-4, 1e-8, 5000.0).at([1, 100]).round(6).tolist()
    [0.00815, 0.023]
    """

    base_s: float
    per_sequence_s: float
    per_context_token_s: float = 0.0
    mean_context: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers once."""
        require_positive("base_s", self.base_s, "s")
        require_positive("per_sequence_s", self.per_sequence_s, "s", zero_ok=True)
        require_positive("per_context_token_s", self.per_context_token_s, "s/tok", zero_ok=True)
        require_positive("mean_context", self.mean_context, "tok", zero_ok=True)

    @property
    def valid_to(self) -> float:
        """Any batch [-]."""
        return np.inf

    @property
    def effective_per_sequence_s(self) -> float:
        """beta + gamma kv [s]."""
        return self.per_sequence_s + self.per_context_token_s * self.mean_context

    def at(self, batch: Any) -> Array:
        """Step time [s]."""
        return self.base_s + self.effective_per_sequence_s * np.asarray(batch, dtype=float)


@dataclass(frozen=True, eq=False, slots=True)
class TabulatedStep:
    """t(n) from measured rows: linear in between and, by the end segments, beyond.

    A falling end segment, or a first one that would reach 0 above n = 0, is held constant instead.

    Examples
    --------
    >>> step = TabulatedStep(DecodeTable.from_mapping({10: 0.0128, 20: 0.0164}))
    >>> step.at([5, 10, 15, 30]).round(4).tolist()
    [0.011, 0.0128, 0.0146, 0.02]
    """

    table: DecodeTable

    @property
    def valid_to(self) -> float:
        """Last row [-]."""
        return float(self.table.batch[-1])

    @property
    def per_context_token_s(self) -> float:
        """Not in a table [s/tok]."""
        return 0.0

    def at(self, batch: Any) -> Array:
        """Step time [s]."""
        n = np.asarray(batch, dtype=float)
        b, t = self.table.batch, self.table.tpot_s
        low = (t[1] - t[0]) / (b[1] - b[0])
        low = low if t[0] - low * b[0] > 0 else 0.0
        high = max(0.0, (t[-1] - t[-2]) / (b[-1] - b[-2]))
        inside = np.interp(n, b, t)
        beyond = low * np.minimum(0.0, n - b[0]) + high * np.maximum(0.0, n - b[-1])
        return np.asarray(inside + beyond)


@dataclass(frozen=True, eq=False)
class ModelStep:
    """t(n) of a latency model, every context at its mean, slowed by the step factor.

    Parameters
    ----------
    decode_step_s : callable
        ``decode_step_s(batch, context_tokens)`` of a `LatencyModel` [s].
    mean_context : float
        Mean context of a running request [tok].
    step_factor : float
        In-system over isolated speed, t_system = t / f [-].
    valid_to : float
        Largest batch of the model's range [-].
    """

    decode_step_s: Callable[[Any, Any], Any]
    mean_context: float
    step_factor: float
    valid_to: float

    @classmethod
    def of(cls, model: LatencyModel, mean_context: float, step_factor: float = 0.95) -> ModelStep:
        """Take a latency model."""
        require_fraction("step_factor", step_factor, open_low=True)
        return cls(model.decode_step_s, mean_context, step_factor, model.decode_range[1])

    @cached_property
    def per_context_token_s(self) -> float:
        """Slope in the context at a batch of 32, or the whole range if that is smaller [s/tok]."""
        batch = min(32.0, self.valid_to)
        context = batch * max(self.mean_context, 1.0)
        times = np.asarray(self.decode_step_s(np.full(2, batch), np.array([0.9, 1.1]) * context), dtype=float)
        return max(0.0, float(times[1] - times[0]) / (0.2 * context)) / self.step_factor

    def at(self, batch: Any) -> Array:
        """Step time [s]."""
        n = np.asarray(batch, dtype=float)
        return np.asarray(self.decode_step_s(n, n * self.mean_context), dtype=float) / self.step_factor
