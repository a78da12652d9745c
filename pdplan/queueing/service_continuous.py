"""Continuous service laws: exponential, gamma (Erlang), lognormal, and mixtures (hyperexponential)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pdplan import special
from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.queueing.service import ServiceLaw

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Gamma(ServiceLaw):
    """Gamma law by mean and squared coefficient of variation (shape 1/scv); Erlang-k for scv = 1/k.

    Parameters
    ----------
    mean_s : float
        E S [s].
    scv : float
        Var S / (E S)^2 [-], > 0.

    Examples
    --------
    >>> Gamma(2.0, 0.25).second_moment_s2
    5.0
    """

    mean_s: float
    scv: float

    def __post_init__(self) -> None:
        """Check the moments."""
        require_positive("mean_s", self.mean_s, "s")
        require_positive("scv", self.scv)

    def partial_moment(self, order: int, x: Array) -> Array:
        """E[S^order; S <= x] = E S^order P(shape + order, x/scale) [s^order]."""
        shape, scale = 1 / self.scv, self.mean_s * self.scv
        if shape == 1:  # elementary, and much faster than the incomplete gamma function
            y = x / scale
            terms = sum(y**i / math.factorial(i) for i in range(1, order + 1))
            return math.factorial(order) * scale**order * np.asarray(-np.expm1(-y) - terms * np.exp(-y))
        moment = math.prod(scale * (shape + i) for i in range(order))
        return moment * np.asarray(special.gammainc(shape + order, x / scale))

    def log_mgf(self, theta: float) -> float:
        """-shape log(1 - theta scale), for theta < 1/scale."""
        room = theta * self.mean_s * self.scv
        return -math.log1p(-room) / self.scv if room < 1 else math.inf

    def poisson_counts(self, rate: float, n: int) -> Array:
        """Negative binomial with shape 1/scv."""
        shape, j = 1 / self.scv, np.arange(n)
        odds = rate * self.mean_s * self.scv
        log_terms = special.gammaln(shape + j) - special.gammaln(shape) - special.gammaln(j + 1)
        return np.asarray(np.exp(log_terms + special.xlogy(j, odds / (1 + odds)) - shape * math.log1p(odds)))


def Exponential(mean_s: float) -> Gamma:
    """Exponential law with mean ``mean_s`` [s].

    Examples
    --------
    >>> Exponential(0.5).scv
    1.0
    """
    return Gamma(mean_s, 1.0)


def Erlang(mean_s: float, stages: int) -> Gamma:
    """Sum of ``stages`` exponentials with mean ``mean_s`` in all [s].

    Examples
    --------
    >>> Erlang(1.0, 4).scv
    0.25
    """
    require_positive("stages", stages)
    return Gamma(mean_s, 1 / stages)


@dataclass(frozen=True)
class Lognormal(ServiceLaw):
    """Lognormal law by mean and squared coefficient of variation. It has no exponential moment.

    Examples
    --------
    >>> round(float(Lognormal(1.0, 3.0).quantile_s(0.5)), 9)  # exp(mu) = mean / sqrt(1 + scv)
    0.5
    """

    mean_s: float
    scv: float

    def __post_init__(self) -> None:
        """Check the moments."""
        require_positive("mean_s", self.mean_s, "s")
        require_positive("scv", self.scv)

    @property
    def sigma(self) -> float:
        """Standard deviation of log S [-]."""
        return math.sqrt(math.log1p(self.scv))

    @property
    def mu(self) -> float:
        """Mean of log (S / 1 s) [-]."""
        return math.log(self.mean_s) - self.sigma**2 / 2

    def partial_moment(self, order: int, x: Array) -> Array:
        """E[S^order; S <= x] = E S^order Phi((log x - mu)/sigma - order sigma) [s^order]."""
        moment = math.exp(order * self.mu + (order * self.sigma) ** 2 / 2)
        with np.errstate(divide="ignore"):
            z = (np.log(x) - self.mu) / self.sigma
        return moment * np.asarray(special.ndtr(z - order * self.sigma))

    def log_mgf(self, theta: float) -> float:
        """Infinite for theta > 0; otherwise by the trapezoidal rule in log S."""
        if theta > 0:
            return math.inf
        values, weights = self._nodes()
        return math.log(float(weights @ np.exp(theta * values)))

    def poisson_counts(self, rate: float, n: int) -> Array:
        """Mixture of Poisson laws by the trapezoidal rule in log S (error below 1e-12)."""
        values, weights = self._nodes()
        j, mean = np.arange(n)[:, None], rate * values[None, :]
        return np.asarray(np.exp(special.xlogy(j, mean) - mean - special.gammaln(j + 1)) @ weights)

    def _nodes(self) -> tuple[Array, Array]:
        """Nodes equidistant in z = (log S - mu)/sigma: the rule converges geometrically."""
        z = np.linspace(-9, 9, 1 + 2 * max(180, round(360 * self.sigma)))
        weights = np.exp(-z * z / 2)
        return np.exp(self.mu + self.sigma * z), weights / weights.sum()


@dataclass(frozen=True, eq=False)
class Mixture(ServiceLaw):
    """A service drawn from one of several laws: request classes that share a server.

    Examples
    --------
    >>> Mixture((0.5, 0.5), (Exponential(1.0), Exponential(3.0))).mean_s
    2.0
    """

    weights: Sequence[float]
    laws: Sequence[ServiceLaw]
    mean_s: float = field(init=False)
    scv: float = field(init=False)

    def __post_init__(self) -> None:
        """Check the weights and take the moments."""
        if len(self.weights) != len(self.laws) or not self.laws:
            raise InputError(
                f"a mixture needs a weight per law: {len(self.weights)} against {len(self.laws)}"
            )
        require_positive("mixture weights", np.asarray(self.weights, float), zero_ok=True)
        if abs(sum(self.weights) - 1) > 1e-9:
            raise InputError(f"mixture weights sum to {sum(self.weights):.6g}: they must sum to 1")
        mean = sum(w * s.mean_s for w, s in zip(self.weights, self.laws, strict=True))
        second = sum(w * s.second_moment_s2 for w, s in zip(self.weights, self.laws, strict=True))
        object.__setattr__(self, "mean_s", mean)
        object.__setattr__(self, "scv", second / mean**2 - 1)

    @property
    def longest_s(self) -> float:
        """The largest value of any law [s]."""
        return max(s.longest_s for s in self.laws)

    def partial_moment(self, order: int, x: Array) -> Array:
        """E[S^order; S <= x] [s^order]."""
        terms = [w * s.partial_moment(order, x) for w, s in zip(self.weights, self.laws, strict=True)]
        return np.asarray(sum(terms))

    def log_mgf(self, theta: float) -> float:
        """Log of the weighted sum."""
        logs = np.array([s.log_mgf(theta) for s in self.laws])
        if np.abs(logs).max() < 1:  # keeps its digits for small theta
            return math.log1p(float(np.asarray(self.weights) @ np.expm1(logs)))
        return (
            float(special.logsumexp(logs, b=np.asarray(self.weights)))
            if np.isfinite(logs).all()
            else math.inf
        )

    def poisson_counts(self, rate: float, n: int) -> Array:
        """Weighted sum of the counts of the laws."""
        terms = [w * s.poisson_counts(rate, n) for w, s in zip(self.weights, self.laws, strict=True)]
        return np.asarray(sum(terms))


def Hyperexponential(mean_s: float, scv: float) -> Mixture:
    """Two exponentials with balanced means, for scv > 1.

    p = (1 + sqrt((scv-1)/(scv+1)))/2 of the services have mean E S/(2p), the others E S/(2(1-p)).

    Parameters
    ----------
    mean_s : float
        E S [s].
    scv : float
        Var S / (E S)^2 [-], > 1.

    Notes
    -----
    Source: H. C. Tijms, Stochastic Models (1994), appendix B (balanced means).

    Examples
    --------
    >>> h = Hyperexponential(2.0, 4.0)
    >>> round(h.mean_s, 12), round(h.scv, 12)
    (2.0, 4.0)
    """
    require_positive("mean_s", mean_s, "s")
    if not scv > 1:
        raise InputError(f"scv is {scv:g}: a hyperexponential law needs more than 1; use Gamma below")
    share = (1 + math.sqrt((scv - 1) / (scv + 1))) / 2
    return Mixture(
        (share, 1 - share), (Exponential(mean_s / (2 * share)), Exponential(mean_s / (2 * (1 - share))))
    )
