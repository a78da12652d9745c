"""What a request waits before its first decode step: for a place, and for the step under way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_fraction, require_positive
from pdplan.serving.roots import decreasing_root
from pdplan.trust import Trust

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AdmissionWait:
    r"""Wait for a place in a full batch.

    .. math:: P(W > t) = P_w\,e^{-2 (\mu_B - \lambda) t/(1 + c_s^2)},\qquad
              E W = \frac{P_w}{\mu_B - \lambda}\,\frac{1 + c_s^2}{2}

    Parameters
    ----------
    wait_probability : float
        P_w, P(the batch is full) [-].
    spare_rate : float
        mu_B - lam with mu_B = B/(G t(B)) [1/s].
    scv_steps : float
        c_s^2 of the number of steps [-].

    Notes
    -----
    Approximate: exact for geometric steps; measured -25 to +15% elsewhere where P_w > 2%.

    References
    ----------
    Kingman 1962 and Allen 1978 (the factor (1 + c_s^2)/2 on a state-dependent M/M queue).

    Examples
    --------
    >>> w = AdmissionWait(0.5, 2.0, 1.0)
    >>> w.mean_s, float(w.quantile_s(0.4)), round(float(w.quantile_s(0.99)), 3)
    (0.25, 0.0, 1.956)
    """

    wait_probability: float
    spare_rate: float
    scv_steps: float

    def __post_init__(self) -> None:
        """Check the numbers once."""
        require_fraction("wait_probability", self.wait_probability)
        require_positive("spare_rate", self.spare_rate, "1/s")
        require_positive("scv_steps", self.scv_steps, zero_ok=True)

    @property
    def trust(self) -> Trust:
        """Exact where nobody ever waits."""
        return Trust.APPROXIMATE if self.wait_probability > 0 else Trust.EXACT

    @property
    def _mean_if_waiting_s(self) -> float:
        return (1 + self.scv_steps) / (2 * self.spare_rate)

    @property
    def mean_s(self) -> float:
        """E W [s]."""
        return self.wait_probability * self._mean_if_waiting_s

    def sf(self, t: Any) -> Any:
        """P(W > t)."""
        return self.wait_probability * np.exp(-np.asarray(t, dtype=float) / self._mean_if_waiting_s)

    def quantile_s(self, p: Any) -> Any:
        """p-quantile [s]; 0 where p <= 1 - P_w."""
        require_fraction("p", p, open_high=True)
        beyond = self.wait_probability / (1 - np.asarray(p, dtype=float))
        return self._mean_if_waiting_s * np.log(np.maximum(1.0, beyond))


@dataclass(frozen=True, eq=False, slots=True)
class JoinWait:
    """Wait for the step under way: 0 in an idle instance, else uniform over that step.

    Parameters
    ----------
    idle : float
        P(no request runs) [-].
    step_s : array, shape (n,)
        t(1), t(2), ... [s].
    weight : array, shape (n,)
        P(running = 1), P(running = 2), ... [-].

    Examples
    --------
    >>> w = JoinWait(0.5, np.array([2.0]), np.array([0.5]))
    >>> w.mean_s, float(w.sf(1.0)), round(float(w.quantile_s(0.75)), 9)
    (0.5, 0.25, 1.0)
    """

    idle: float
    step_s: Array
    weight: Array

    @property
    def mean_s(self) -> float:
        """Half a step on average [s]."""
        return float(self.weight @ self.step_s) / 2

    def sf(self, t: Any) -> Any:
        """P(wait > t)."""
        x = np.asarray(t, dtype=float)
        left = np.maximum(0.0, 1 - x[..., None] / self.step_s)
        return left @ self.weight

    def quantile_s(self, p: float) -> float:
        """p-quantile [s]; 0 where p <= P(idle)."""
        require_fraction("p", p, open_high=True)
        if p <= self.idle:
            return 0.0
        return decreasing_root(lambda x: float(self.sf(x)) - (1 - p), 0.0, float(self.step_s.max()))
