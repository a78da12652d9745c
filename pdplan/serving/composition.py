"""Time to first token through prefill, link and admission: waits convolved, lengths mixed last.

The waits of a request (in the prefill queue, for the link, for a place in decode, for the running step) do
not depend on its own length; its prefill time and its transfer time are both functions of it. So the waits
are convolved on one lattice, and the law is then mixed over the lengths::

    P(TTFT > t) = sum_i w_i P(W > t - D(L_i)),   W = sum of waits,   D = prefill + visible transfer + ...

Convolving takes the waits as independent of each other. Where one station feeds the next that is an
approximation; see theory of tandem queues in the documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pdplan.checks import require_fraction, require_positive
from pdplan.errors import InputError
from pdplan.serving.delays import Array, Constant, Delay, Discrete, as_delay
from pdplan.serving.lattice_sum import LatticeSum
from pdplan.trust import Trust, weakest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A mixture over more offsets than this is joined to as many: range/2048 is far below the lattice's own step.
MOST_OFFSETS = 2048


@dataclass(frozen=True, eq=False)
class TtftLaw:
    """The law of a sum of independent waits and of times fixed by the request's lengths.

    Build it with `ttft_law`.

    Parameters
    ----------
    waits : mapping of str to Delay
        Independent of the request's lengths.
    fixed_s : mapping of str to array
        Times given by the lengths, at each length atom [s].
    weight : array
        Probability of each atom [-].
    points : int
        Lattice points for the sum of waits.
    tail : float
        Probability cut off each wait when the lattice is laid.

    Examples
    --------
    >>> from pdplan.serving.delays import Residual
    >>> law = ttft_law({"join": Residual(0.02)}, {"prefill": np.array([0.1, 0.3])}, np.array([0.5, 0.5]))
    >>> round(law.mean_s, 12), round(law.quantile_s(0.75), 3), {k: round(v, 3) for k, v in law.parts.items()}
    (0.21, 0.31, {'join': 0.01, 'prefill': 0.2})
    """

    waits: Mapping[str, Delay]
    fixed_s: Mapping[str, Array]
    weight: Array
    points: int = 4096
    tail: float = 1e-6

    @cached_property
    def offset_s(self) -> Array:
        """Sum of the fixed times and of the constant waits, at each atom [s]."""
        constant = sum(d.mean_s for d in self.waits.values() if not self._is_random(d))
        return np.asarray(sum(self.fixed_s.values(), np.zeros_like(self.weight)) + constant, dtype=float)

    @cached_property
    def _groups(self) -> tuple[Array, Array]:
        """Distinct offsets [s] and their weights: atoms that differ only in what TTFT does not see are one.

        Beyond `MOST_OFFSETS` of them, neighbours are joined at their mean.
        """
        order = np.argsort(self.offset_s)
        offset, weight = self.offset_s[order], self.weight[order]
        offset, weight = offset[weight > 0], weight[weight > 0]
        close = float(offset[-1] - offset[0]) * 1e-12
        first = np.flatnonzero(np.diff(offset, prepend=-np.inf) > close)
        if first.size > MOST_OFFSETS:
            edges = np.linspace(offset[0], offset[-1], MOST_OFFSETS + 1)[:-1]
            first = np.unique(np.searchsorted(offset, edges))
        mass = np.add.reduceat(weight, first)
        return np.add.reduceat(weight * offset, first) / mass, mass

    @cached_property
    def _random(self) -> list[Delay]:
        return [d for d in self.waits.values() if self._is_random(d)]

    def _is_random(self, delay: Delay) -> bool:
        """Whether a wait needs a law: below 1e-10 of the mean it passes 1e-4 of it once in a million."""
        return not isinstance(delay, Constant) and delay.mean_s > 1e-10 * self.mean_s

    @property
    def parts(self) -> dict[str, float]:
        """Mean of each part [s], in the order given; they add up to ``mean_s``."""
        waits = {name: d.mean_s for name, d in self.waits.items()}
        return waits | {name: float(self.weight @ values) for name, values in self.fixed_s.items()}

    @property
    def mean_s(self) -> float:
        """Mean [s], from the means of the parts (not from the lattice)."""
        return float(sum(self.parts.values()))

    @property
    def trust(self) -> Trust:
        """The weakest of the parts; a sum of two or more random waits assumes that they are independent."""
        independence = Trust.EXACT if len(self._random) < 2 else Trust.APPROXIMATE
        return weakest(independence, *(d.trust for d in self.waits.values()))

    @cached_property
    def wait(self) -> LatticeSum:
        """The sum of the random waits on one lattice, its mean exact."""
        return LatticeSum.of(self._random, self.points, self.tail)

    def plot(self, ax: Axes | None = None, *, label: str = "TTFT") -> Axes:
        """Draw P(TTFT > t) on a logarithmic scale (extra ``plot``) and return the axes."""
        from pdplan.plotting import draw_next_law

        return draw_next_law(ax, self.sf, self.quantile_s, name="TTFT", label=label)

    def sf(self, t: Any) -> Any:
        """P(TTFT > t)."""
        times = np.ravel(np.asarray(t, dtype=float))
        offset, weight = self._groups
        values = self.wait.sf(times[:, None] - offset[None, :]) @ weight
        return float(values[0]) if np.ndim(t) == 0 else values.reshape(np.shape(t))

    def sf_given(self, t: float) -> Array:
        """P(TTFT > t | length atom), one number for each atom."""
        return self.wait.sf(t - self.offset_s)

    def quantile_bounds_s(self, p: float, *, points: int = 512) -> tuple[float, float]:
        """Lower and upper bound on the p-quantile of this sum [s].

        Every part is rounded down, then up, on a lattice of ``points``: the bounds are rigorous for the given
        laws of the waits (a law's own error, and dependence between waits, stay outside them).
        """
        require_fraction("p", p, open_high=True)
        if not self._random:
            exact = float(self.quantile_s(p))
            return exact, exact
        parts = [*self._random, Discrete(self.offset_s, self.weight / self.weight.sum())]
        down, up = LatticeSum.bounds(parts, points, self.tail)
        return down.first_point_s(p), up.first_point_s(p)

    def quantile_s(self, p: Any) -> Any:
        """Smallest t with P(TTFT <= t) >= p [s]; p in [0, 1 - tail)."""
        require_fraction("p", p, open_high=True)
        levels = 1.0 - np.ravel(np.asarray(p, dtype=float))
        if levels.size and self.wait.lost > levels.min():
            raise InputError(
                f"p is {1 - levels.min():.9g}: the lattice was laid for p below {1 - self.wait.lost:.9g}"
            )
        low, high = float(self.offset_s.min()), float(self.offset_s.max()) + self.wait.range_s
        answer = [_first_below(self.sf, level, low, high) for level in levels.tolist()]
        return answer[0] if np.ndim(p) == 0 else np.reshape(answer, np.shape(p))


def _first_below(sf: Callable[[Array], Array], level: float, low: float, high: float) -> float:
    """Smallest t in [low, high] with sf(t) <= level: a round cuts the bracket 16-fold, jumps do no harm."""
    level += 1e-12
    if sf(np.array([low]))[0] <= level:
        return low
    span = high - low
    while high - low > 1e-10 * span:
        t = np.linspace(low, high, 17)
        if not (np.diff(t) > 0).all():
            break
        below = np.flatnonzero(sf(t[1:]) <= level)
        k = int(below[0]) + 1 if below.size else 16
        low, high = float(t[k - 1]), float(t[k])
    return high


def ttft_law(
    waits: Mapping[str, Any],
    fixed_s: Mapping[str, Any],
    weight: Array,
    *,
    points: int = 4096,
    tail: float = 1e-6,
) -> TtftLaw:
    """Law of the time to first token (or of any sum of waits and of times fixed by the lengths).

    Parameters
    ----------
    waits : mapping of str to law
        Waits that do not depend on the request's lengths: waiting laws, delays or seconds.
    fixed_s : mapping of str to array or float
        Times fixed by the lengths, at each atom [s], e.g. ``{"prefill": ..., "transfer": ...}``.
    weight : array
        Probability of each atom [-], summing to 1.
    points : int
        Lattice points, >= 16. The mean is exact whatever their number; quantiles err by about range/points.
    tail : float
        Probability cut off each wait; quantiles are answered for p below 1 minus the sum of these.

    Returns
    -------
    TtftLaw

    Raises
    ------
    InputError
        Shapes that differ, weights that do not sum to 1, something that is not a delay.

    Examples
    --------
    >>> law = ttft_law({"queue": 0.05}, {"prefill": 0.2, "transfer": 0.01}, np.array([1.0]))
    >>> round(law.mean_s, 12), round(law.quantile_s(0.99), 12), law.trust.value
    (0.26, 0.26, 'exact')
    """
    weights = np.asarray(weight, dtype=float)
    require_positive("weight", weights, zero_ok=True)
    require_positive("points - 15", points - 15)
    require_fraction("tail", tail, open_low=True, open_high=True)
    if abs(float(weights.sum()) - 1.0) > 1e-9:
        raise InputError(f"weights sum to {weights.sum():.6g}, they must sum to 1")
    fixed: dict[str, Array] = {}
    for name, value in fixed_s.items():
        array = np.asarray(value, dtype=float)
        require_positive(name, array, "s", zero_ok=True)
        if array.ndim and array.shape != weights.shape:
            raise InputError(f"{name} has {array.size} atoms, the weights have {weights.size}")
        fixed[name] = np.broadcast_to(array, weights.shape)
    both = set(waits) & set(fixed)
    if both:
        raise InputError(f"{sorted(both)[0]} is given both as a wait and as a fixed time: keep one")
    return TtftLaw({name: as_delay(law) for name, law in waits.items()}, fixed, weights, points, tail)


def e2e_law(ttft: TtftLaw, output_tokens: Array, tpot_s: float) -> TtftLaw:
    """Law of the end-to-end time: TTFT + (output - 1) TPOT, with TPOT at its mean.

    Parameters
    ----------
    ttft : TtftLaw
        The time to first token, over joint length atoms.
    output_tokens : array
        Output tokens of each atom [tok], >= 1.
    tpot_s : float
        Mean time per output token [s].

    Notes
    -----
    The spread of TPOT from request to request is left out, so percentiles err on the low side where outputs
    have one length; label them approximate.

    Examples
    --------
    >>> ttft = ttft_law({}, {"prefill": np.array([0.1, 0.3])}, np.array([0.5, 0.5]))
    >>> round(e2e_law(ttft, np.array([11.0, 101.0]), 0.02).mean_s, 12)
    1.3
    """
    require_positive("tpot_s", tpot_s, "s")
    require_positive("output_tokens - 1", np.asarray(output_tokens) - 1, "tok", zero_ok=True)
    decode = (np.asarray(output_tokens, dtype=float) - 1.0) * tpot_s
    return ttft_law(
        {**ttft.waits, "tpot_spread": Constant(0.0, Trust.APPROXIMATE)},
        {**ttft.fixed_s, "decode": decode},
        ttft.weight,
        points=ttft.points,
        tail=ttft.tail,
    )


def mix_sf(laws: Mapping[str, TtftLaw], rates: Mapping[str, float], t: float) -> float:
    """P(TTFT > t) over all classes together, each weighted by its rate.

    Examples
    --------
    >>> fast = ttft_law({}, {"prefill": 0.1}, np.array([1.0]))
    >>> slow = ttft_law({}, {"prefill": 0.9}, np.array([1.0]))
    >>> mix_sf({"a": fast, "b": slow}, {"a": 3.0, "b": 1.0}, 0.5)
    0.25
    """
    total = sum(rates[name] for name in laws)
    return float(sum(rates[name] * law.sf(t) for name, law in laws.items()) / total)
