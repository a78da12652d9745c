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


def deterministic_wait_ratio(servers: Any, utilization: Any) -> Any:
    r"""Mean wait of equal services over that of exponential ones, in a queue of c servers.

    .. math:: \frac12\,(1 + \gamma),\qquad
              \gamma = \min\left(0.24,\; \frac{(1-\rho)(c-1)(\sqrt{4+5c}-2)}{16\,\rho\,c}\right)

    1/2 for one server and at full load; more in between, where equal services end one after another.

    Parameters
    ----------
    servers, utilization : float
        c [-] and rho in (0, 1) [-].

    Returns
    -------
    float
        In [0.5, 0.62] [-].

    Raises
    ------
    InputError
        Values out of range.

    References
    ----------
    Cosmetatos 1975 (INFOR 13) with the bound of Whitt 1993 (Production and Operations Management 2).

    Examples
    --------
    >>> deterministic_wait_ratio(1, 0.8), round(float(deterministic_wait_ratio(32, 0.8)), 3)
    (0.5, 0.582)
    """
    require_positive("servers", servers)
    require_fraction("utilization", utilization, open_low=True)
    c, rho = servers, utilization
    spread = (1 - rho) * (c - 1) * ((4 + 5 * c) ** 0.5 - 2) / (16 * rho * c)
    return (1 + np.minimum(0.24, spread)) / 2 if c > 1 else 0.5


def variability_factor(scv: Any, deterministic_ratio: Any) -> Any:
    r"""Mean wait over that of exponential services, by the harmonic interpolation of Kimura.

    .. math:: \frac{1 + c_s^2}{2 c_s^2 + (1 - c_s^2)/d}

    d for equal services, 1 for exponential ones; (1 + c_s^2)/2 where d = 1/2.

    Parameters
    ----------
    scv : float
        c_s^2 of the services [-].
    deterministic_ratio : float
        d, from `deterministic_wait_ratio` [-].

    Returns
    -------
    float
        [-].

    References
    ----------
    Kimura 1986 (Management Science 32).

    Examples
    --------
    >>> variability_factor(0.0, 0.5), variability_factor(1.0, 0.58), variability_factor(2.0, 0.5)
    (0.5, 1.0, 1.5)
    """
    require_positive("scv", scv, zero_ok=True)
    require_positive("deterministic_ratio", deterministic_ratio)
    return (1 + scv) / (2 * scv + (1 - scv) / deterministic_ratio)


@dataclass(frozen=True, slots=True)
class AdmissionWait:
    r"""Wait for a place in a full batch.

    .. math:: P(W > t) = P_w\,e^{-t/w},\qquad w = \frac{\kappa}{\mu_B - \lambda}

    Parameters
    ----------
    wait_probability : float
        P_w, P(the batch is full) [-].
    mean_if_waiting_s : float
        w: kappa is `variability_factor`, mu_B = B/(G t(B)) [s].

    Notes
    -----
    Approximate; errors in docs/validation/decode_accuracy.md. Exact for geometric steps of constant time.

    Examples
    --------
    >>> w = AdmissionWait(0.5, 0.5)
    >>> w.mean_s, float(w.quantile_s(0.4)), round(float(w.quantile_s(0.99)), 3)
    (0.25, 0.0, 1.956)
    """

    wait_probability: float
    mean_if_waiting_s: float

    def __post_init__(self) -> None:
        """Check the numbers once."""
        require_fraction("wait_probability", self.wait_probability)
        require_positive("mean_if_waiting_s", self.mean_if_waiting_s, "s")

    @property
    def trust(self) -> Trust:
        """Exact where nobody ever waits."""
        return Trust.APPROXIMATE if self.wait_probability > 0 else Trust.EXACT

    @property
    def mean_s(self) -> float:
        """E W [s]."""
        return self.wait_probability * self.mean_if_waiting_s

    def sf(self, t: Any) -> Any:
        """P(W > t)."""
        return self.wait_probability * np.exp(-np.asarray(t, dtype=float) / self.mean_if_waiting_s)

    def quantile_s(self, p: Any) -> Any:
        """p-quantile [s]; 0 where p <= 1 - P_w."""
        require_fraction("p", p, open_high=True)
        beyond = self.wait_probability / (1 - np.asarray(p, dtype=float))
        return self.mean_if_waiting_s * np.log(np.maximum(1.0, beyond))


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
        """P(wait > t): over steps longer than t, sum of w (1 - t/s), read off running sums."""
        order = np.argsort(self.step_s)
        step, weight = self.step_s[order], self.weight[order]
        mass = np.append(np.cumsum(weight[::-1])[::-1], 0.0)
        per_s = np.append(np.cumsum((weight / step)[::-1])[::-1], 0.0)
        x = np.asarray(t, dtype=float)
        longer = np.searchsorted(step, x, side="right")
        return np.maximum(0.0, mass[longer] - x * per_s[longer])

    def quantile_s(self, p: float) -> float:
        """p-quantile [s]; 0 where p <= P(idle)."""
        require_fraction("p", p, open_high=True)
        if p <= self.idle:
            return 0.0
        return decreasing_root(lambda x: float(self.sf(x)) - (1 - p), 0.0, float(self.step_s.max()))
