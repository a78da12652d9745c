r"""P(TTFT <= x and TPOT <= y): how many requests meet both limits.

The two are tied by the request's lengths (a long prompt raises TTFT and, through its context, TPOT) and by
the load it meets. Given the length atom i the marginals :math:`F_i = P(TTFT \le x | i)` and
:math:`G_i = P(TPOT \le y | i)` bound the joint probability whatever the dependence (Frechet):

.. math:: \sum_i w_i \max(0, F_i + G_i - 1) \le P \le \sum_i w_i \min(F_i, G_i)

and :math:`\sum_i w_i F_i G_i` is the value if load ties them no further.

Source: M. Frechet, Ann. Univ. Lyon A 14 (1951) 53-77.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_fraction, require_positive
from pdplan.errors import InputError
from pdplan.serving.composition import TtftLaw
from pdplan.trust import Trust

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class JointAttainment:
    """P(TTFT <= x and TPOT <= y): a value and rigorous bounds, given the marginal laws.

    Attributes
    ----------
    value : float
        Independent given the lengths [-].
    lower, upper : float
        Whatever the dependence given the lengths [-].
    ttft, tpot : float
        The two marginals [-]; with TPOT bracketed, its lower end.
    trust : Trust
        Of the bounds: bounded. The value itself is approximate.
    """

    value: float
    lower: float
    upper: float
    ttft: float
    tpot: float
    trust: Trust = Trust.BOUNDED

    def meets(self, attainment: float) -> bool | None:
        """Whether the share is reached: True, False, or None where the bounds leave it open.

        Examples
        --------
        >>> j = joint_attainment(np.array([0.95]), np.array([0.99]), np.array([1.0]))
        >>> j.meets(0.9), j.meets(0.945), j.meets(0.96)
        (True, None, False)
        """
        require_fraction("attainment", attainment)
        if self.lower >= attainment:
            return True
        return None if self.upper >= attainment else False


def joint_attainment(
    ttft_met: Array, tpot_met: Array, weight: Array, *, tpot_met_upper: Array | None = None
) -> JointAttainment:
    """Return the joint share from the two conditional shares at each length atom.

    Parameters
    ----------
    ttft_met, tpot_met : array
        P(TTFT <= x | atom) and P(TPOT <= y | atom) [-]. Where TPOT is undefined (one output token) use 1.
    weight : array
        Probability of each atom [-].
    tpot_met_upper : array, optional
        Upper end where P(TPOT <= y | atom) is only bracketed; ``tpot_met`` is then the lower end.

    Raises
    ------
    InputError
        Shares outside [0, 1], shapes that differ.

    Examples
    --------
    >>> j = joint_attainment(np.array([1.0, 0.5]), np.array([1.0, 0.5]), np.array([0.5, 0.5]))
    >>> j.lower, j.value, j.upper, j.ttft * j.tpot          # the product of the marginals is not the joint
    (0.5, 0.625, 0.75, 0.5625)
    """
    f, g, w = (np.asarray(x, dtype=float) for x in (ttft_met, tpot_met, weight))
    high = g if tpot_met_upper is None else np.asarray(tpot_met_upper, dtype=float)
    if not f.shape == g.shape == w.shape == high.shape:
        raise InputError(f"atoms differ in number: {f.size} for TTFT, {g.size} for TPOT, {w.size} weights")
    for name, share in (("ttft_met", f), ("tpot_met", g), ("tpot_met_upper", high)):
        if not _nearly(share):
            require_fraction(name, share)
    f, g, high = (np.clip(x, 0.0, 1.0) for x in (f, g, high))
    return JointAttainment(
        value=float(w @ (f * 0.5 * (g + high))),
        lower=float(w @ np.maximum(0.0, f + g - 1.0)),
        upper=float(w @ np.minimum(f, high)),
        ttft=float(w @ f),
        tpot=float(w @ g),
    )


def _nearly(share: Array) -> bool:
    """Whether every entry is a probability up to rounding."""
    return bool((share > -1e-9).all() and (share < 1 + 1e-9).all())


def attainment(
    ttft: TtftLaw,
    ttft_limit_s: float,
    tpot_cdf: Callable[[float, Array], Array],
    tpot_limit_s: float,
    output_tokens: Array,
    *,
    tpot_cdf_upper: Callable[[float, Array], Array] | None = None,
) -> JointAttainment:
    """Joint share of a class from its TTFT law and the law of TPOT given the output length.

    Parameters
    ----------
    ttft : TtftLaw
        Over the joint length atoms of the class.
    ttft_limit_s, tpot_limit_s : float
        x and y [s].
    tpot_cdf : callable
        ``tpot_cdf(y, output_tokens)``: P(TPOT <= y) at each atom [-]; the lower end where only bracketed.
    output_tokens : array
        Output tokens of each atom [tok]; one token has no TPOT and always meets its limit.
    tpot_cdf_upper : callable, optional
        The upper end.

    Examples
    --------
    >>> from pdplan.serving.composition import ttft_law
    >>> law = ttft_law({}, {"prefill": np.array([0.1, 0.9])}, np.array([0.8, 0.2]))
    >>> j = attainment(law, 0.5, lambda y, out: np.full(out.size, 0.95), 0.05, np.array([100.0, 1.0]))
    >>> round(j.value, 6), round(j.lower, 6), round(j.upper, 6)
    (0.76, 0.76, 0.76)
    """
    require_positive("ttft_limit_s", ttft_limit_s, "s")
    require_positive("tpot_limit_s", tpot_limit_s, "s")
    out = np.asarray(output_tokens, dtype=float)
    met = 1.0 - ttft.sf_given(ttft_limit_s)
    low = np.where(out > 1, tpot_cdf(tpot_limit_s, out), 1.0)
    high = None if tpot_cdf_upper is None else np.where(out > 1, tpot_cdf_upper(tpot_limit_s, out), 1.0)
    return joint_attainment(np.clip(met, 0.0, 1.0), low, ttft.weight, tpot_met_upper=high)
