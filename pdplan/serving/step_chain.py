r"""Prompt tokens waiting at an engine that works in iterations with a token budget.

At the start of an iteration Q prompt tokens are outstanding and min(Q, C) of them go in. It takes d(q), and
what arrives meanwhile is compound Poisson: a Markov chain

.. math:: Q' = (Q - C)^+ + A\bigl(d(\min(Q, C))\bigr)

on a lattice of C/m tokens. Its generating function is known up to m unknowns, which the zeros inside the
unit disc fix (bulk-service queue); the law follows by one FFT, prompts that share an iteration included.

Source: N. T. J. Bailey, J. R. Statist. Soc. B 16 (1954) 80-87 (bulk service); J. Abate and W. Whitt, ORSA J.
on Computing 7 (1995) 36-43 (inversion).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive, require_stable
from pdplan.errors import InfeasibleError
from pdplan.queueing.service import Atoms, lundberg_exponent

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

_TAIL = 1e-8
_LARGEST = 1 << 16
#: Most lattice steps in a budget.
_FINEST = 64
#: Lattice steps in a mean prompt where the budget holds more prompts than that, and most points then.
_IN_A_PROMPT = 2
_MOST_POINTS = 4096
#: Change of the law in one iteration at which it has settled, and most iterations.
_SETTLED = 1e-10
_MOST_ITERATIONS = 3000


@dataclass(frozen=True, eq=False)
class StepChain:
    """The law of the outstanding prompt tokens at the start of an iteration.

    Build it with `solve_step_chain`.

    Parameters
    ----------
    arrival_rate : float
        Prompts per second [1/s].
    unit_tokens : float
        Lattice step, C/m [tok].
    duration_s : array, shape (m + 1,)
        d(i unit), the length of an iteration with i units of prompt [s].
    idle : float
        Probability that an engine with no prompt has nothing to decode either [-].
    pmf : array
        P(Q = k unit) at iteration starts [-].
    prompt_pmf : array
        Law of a prompt in units [-].
    """

    arrival_rate: float
    unit_tokens: float
    duration_s: Array
    idle: float
    pmf: Array
    prompt_pmf: Array

    @property
    def budget_units(self) -> int:
        """m [-]."""
        return self.duration_s.size - 1

    @cached_property
    def carried_pmf(self) -> Array:
        """P(an iteration carries i units), i = 0..m, over iterations [-]; idle spells are not iterations."""
        carried = np.append(self.pmf[: self.budget_units], self.pmf[self.budget_units :].sum())
        carried[0] *= 1.0 - self.idle
        return np.asarray(carried / carried.sum())

    @property
    def mean_iteration_s(self) -> float:
        """Mean length of an iteration [s]."""
        return float(self.carried_pmf @ self.duration_s)

    @property
    def prefill_time_share(self) -> float:
        """Share of busy time spent in iterations that carry prompt tokens [-]."""
        return float(self.carried_pmf[1:] @ self.duration_s[1:]) / self.mean_iteration_s

    @cached_property
    def met(self) -> tuple[Array, float]:
        """P(an arrival meets an iteration with i units), and P(it meets an idle engine)."""
        carried = np.append(self.pmf[: self.budget_units], self.pmf[self.budget_units :].sum())
        time = carried * self.duration_s
        time[0] *= 1.0 - self.idle
        idle = carried[0] * self.idle / self.arrival_rate
        total = float(time.sum()) + float(idle)
        return time / total, float(idle) / total

    @property
    def units_per_s(self) -> float:
        """Prompt units offered per second [1/s]."""
        return self.arrival_rate * float(self.prompt_pmf @ np.arange(self.prompt_pmf.size))

    @cached_property
    def came_before(self) -> Array:
        """Row i: law of the units that came before an arrival in its iteration of i units (uniform part).

        The same law holds for what comes after it.
        """
        size = self.pmf.size
        x = self.arrival_rate * (np.fft.rfft(self.prompt_pmf, 2 * size) - 1.0)
        spectra = _uniform_poisson(self.duration_s[:, None] * x[None, :])
        return np.maximum(np.fft.irfft(spectra, 2 * size, axis=1)[:, :size], 0.0)

    @cached_property
    def left_over(self) -> Array:
        """Law of the units that a full iteration leaves behind [-]."""
        left = np.zeros(self.pmf.size)
        left[: self.pmf.size - self.budget_units] = self.pmf[self.budget_units :]
        total = float(left.sum())
        if total <= 0:
            left[0] = total = 1.0
        return np.asarray(left / total)

    def in_units(self, tokens: Array, weight: Array) -> Array:
        """Law of prompt lengths in lattice units, the mean kept [-]."""
        return _split(tokens / self.unit_tokens, weight, self.prompt_pmf.size)

    def own_units(self, tokens: Array, weight: Array) -> Array:
        """Law of one's own prompt [-]: at least one unit, since its last iteration does carry prompt tokens.

        The mean is kept, as far as there are longer prompts to shorten by a unit.
        """
        own = self.in_units(tokens, weight)
        longer = float(own[2:].sum())
        moved = own[2:] * (min(own[0] / longer, 1.0) if longer > 0 else 0.0)
        own[1] += own[0]
        own[0] = 0.0
        own[2:] -= moved
        own[1:-1] += moved
        return own


def _uniform_poisson(x: Complex) -> Complex:
    """(e^x - 1)/x: the mean of e^{ux} over u in (0, 1)."""
    small = np.abs(x) < 1e-6
    safe = np.where(small, 1.0, x)
    return np.asarray(np.where(small, 1.0 + x / 2, np.expm1(safe) / safe))


def _split(values: Array, weight: Array, size: int) -> Array:
    """Split each value between its two neighbouring integers so that the mean is kept."""
    low = np.minimum(np.floor(values), size - 2).astype(int)
    high_share = np.minimum(values - low, 1.0)
    pmf = np.bincount(low, weight * (1.0 - high_share), minlength=size)
    return np.asarray(pmf + np.bincount(low + 1, weight * high_share, minlength=size))


def solve_step_chain(
    arrival_rate: float,
    tokens: Array,
    weight: Array,
    budget_tokens: float,
    duration_s: Callable[[Array], Array],
    *,
    idle: float = 0.0,
    units: int = 16,
) -> StepChain:
    """Solve the chain for a budget of ``units`` lattice steps.

    Parameters
    ----------
    arrival_rate : float
        Prompts per second [1/s].
    tokens, weight : array
        Law of the (uncached) prompt tokens [tok].
    budget_tokens : float
        C [tok].
    duration_s : callable
        d(q) for an array of prompt tokens q in [0, C] [s].
    idle : float
        Probability that an engine without prompts has nothing to decode either [-].
    units : int
        m, lattice steps in the budget; raised where prompts are short (a step is at most the mean prompt,
        down to 1/64 of the budget), lowered where the queue is long.

    Raises
    ------
    UnstableError
        More prompt tokens than full iterations can carry.

    Examples
    --------
    >>> one = np.ones(1)
    >>> chain = solve_step_chain(1.0, one * 16.0, one, 16.0, lambda q: 0.5 + 0.0 * q, idle=1.0)
    >>> round(float(chain.pmf[0]), 6)      # M/D/1 at load 0.5: one idle spell for two services
    0.333333
    """
    require_positive("arrival_rate", arrival_rate, "1/s")
    require_positive("budget_tokens", budget_tokens, "tok")
    mean = float(weight @ tokens)
    full_s = float(duration_s(np.array([budget_tokens]))[0])
    require_stable(arrival_rate * mean * full_s / budget_tokens, what="the engine's prompt budget")
    # where a few prompt tokens already cost most of an iteration, no prompt may round to none
    while units < _FINEST and mean * units < budget_tokens:
        units *= 2
    if mean * units < budget_tokens:
        return _of_short_prompts(arrival_rate, tokens, weight, budget_tokens, duration_s, idle)
    token_s = full_s / budget_tokens
    decay = lundberg_exponent(arrival_rate, Atoms(np.maximum(tokens, 1e-9) * token_s, weight))
    if decay is None:
        raise InfeasibleError("the prompt queue is too close to its limit for its law to be computed")
    reach = (math.log(1.0 / _TAIL) / (decay * token_s) + float(tokens.max())) / budget_tokens
    while units > 4 and reach * units > 8192:
        units //= 2
    size = 1 << max(math.ceil(math.log2(reach * units + 2 * units + 2)), 6)
    if size > _LARGEST:
        raise InfeasibleError("the prompt queue is too close to its limit for its law to be computed")
    unit = budget_tokens / units
    prompt = _split(tokens / unit, weight, size)
    duration = np.asarray(duration_s(np.arange(units + 1.0) * unit), dtype=float)
    pmf = _stationary(arrival_rate, prompt, duration, idle)
    return StepChain(arrival_rate, unit, duration, idle, pmf, prompt)


def _of_short_prompts(
    arrival_rate: float,
    tokens: Array,
    weight: Array,
    budget_tokens: float,
    duration_s: Callable[[Array], Array],
    idle: float,
) -> StepChain:
    """Solve the chain for a budget of very many prompts, iteration by iteration until the law has settled.

    The zeros of a budget of hundreds of lattice steps do not tell small probabilities. The budget ends where
    the lattice does: `_MOST_POINTS` steps of half a mean prompt; what would pass it is carried over.
    """
    mean = float(weight @ tokens)
    unit = max(mean / _IN_A_PROMPT, 2.0 * budget_tokens / _MOST_POINTS)
    size = 256
    while True:
        units = min(int(budget_tokens / unit), size // 2)
        duration = np.asarray(duration_s(np.arange(units + 1.0) * unit), dtype=float)
        prompt = _split(tokens / unit, weight, size)
        pmf = _settle(arrival_rate, prompt, duration, idle)
        if size >= _MOST_POINTS or float(pmf[units:].sum()) < _TAIL or units * unit >= budget_tokens - unit:
            return StepChain(arrival_rate, unit, duration, idle, pmf, prompt)
        size *= 2


def _settle(arrival_rate: float, prompt: Array, duration: Array, idle: float) -> Array:
    """Law of Q by iteration from an empty engine; what passes the lattice sits at its end."""
    m, size = duration.size - 1, prompt.size
    phi = np.fft.rfft(prompt, 2 * size)
    x = arrival_rate * (phi - 1.0)
    rows = np.stack([_arrivals(x, phi, float(d), idle if i == 0 else 0.0) for i, d in enumerate(duration)])
    came = np.maximum(np.fft.irfft(rows, 2 * size, axis=1)[:, :size], 0.0)
    came[:, -1] += np.maximum(1.0 - came.sum(axis=1), 0.0)
    pmf = np.eye(1, size)[0]
    for _ in range(_MOST_ITERATIONS):
        new = pmf[: m + 1] @ came
        left = np.zeros(size)
        left[1 : size - m] = pmf[m + 1 :]
        if left.any():
            spread = np.fft.irfft(np.fft.rfft(left, 2 * size) * rows[m], 2 * size)
            new += np.maximum(spread[:size], 0.0)
        new /= new.sum()
        if float(np.abs(new - pmf).sum()) < _SETTLED:
            return np.asarray(new)
        pmf = new
    raise InfeasibleError("the prompt queue is too close to its limit for its law to be computed")


def _stationary(arrival_rate: float, prompt: Array, duration: Array, idle: float) -> Array:
    """Law of Q: unknowns from the zeros in the unit disc, then the inverse of the generating function."""
    m, size = duration.size - 1, prompt.size
    place = np.flatnonzero(prompt)
    mass = prompt[place]
    mean_prompt = float(mass @ place)
    zeros = _zeros(m, arrival_rate * duration[m], place, mass)
    head = _head(zeros, arrival_rate, duration, idle, place, mass, mean_prompt)

    span = 2 * size
    radius = 1e-13 ** (1.0 / span)
    k = np.arange(size)
    phi = np.fft.rfft(prompt * radius**k, span)
    z = radius * np.exp(-2j * np.pi * np.arange(size + 1) / span)
    x = arrival_rate * (phi - 1.0)
    power = z**m
    last = np.exp(x * duration[m])
    numerator = np.zeros_like(z)
    for i in range(m):
        numerator += head[i] * (power * _arrivals(x, phi, duration[i], idle if i == 0 else 0.0) - z**i * last)
    pmf = np.fft.irfft(numerator / (power - last), span)[:size] * radius ** (-k.astype(float))
    pmf = np.maximum(pmf, 0.0)
    return np.asarray(pmf / pmf.sum())


def _arrivals(x: Complex, phi: Complex, duration: float, idle: float) -> Complex:
    """Generating function of what arrives in an iteration; an idle engine waits for one prompt."""
    return (1.0 - idle) * np.exp(x * duration) + idle * phi


def _zeros(m: int, arrivals: float, place: NDArray[np.int64], mass: Array) -> Complex:
    """The m - 1 zeros of z^m = exp(arrivals (phi(z) - 1)) inside the unit disc (z = 1 is the other)."""
    root = np.exp(2j * np.pi * np.arange(1, m) / m)
    rate = arrivals / m
    z = 0.5 * root
    for i in range(60):
        powers = z[:, None] ** place[None, :]
        phi = powers @ mass
        slope = (powers @ (mass * place)) / z
        image = root * np.exp(rate * (phi - 1.0))
        if i < 4:
            new = image
        else:
            new = z - (z - image) / (1.0 - rate * slope * image)
            outside = np.abs(new) >= 1.0
            new = np.where(outside, image, new)
        change = float(np.abs(new - z).max(initial=0.0))
        z = new
        if change < 1e-13:
            break
    return np.asarray(z)


def _head(
    zeros: Complex,
    arrival_rate: float,
    duration: Array,
    idle: float,
    place: NDArray[np.int64],
    mass: Array,
    mean_prompt: float,
) -> Array:
    """P(Q = 0), ..., P(Q = m - 1): the numerator vanishes at the zeros, and the law sums to 1."""
    m = duration.size - 1
    phi = (zeros[:, None] ** place[None, :]) @ mass
    x = arrival_rate * (phi - 1.0)
    count = arrival_rate * duration * mean_prompt
    count[0] = (1.0 - idle) * count[0] + idle * mean_prompt
    system = np.empty((m, m), dtype=complex)
    for i in range(m):
        system[:-1, i] = _arrivals(x, phi, duration[i], idle if i == 0 else 0.0) - zeros**i
        system[-1, i] = m + count[i] - i - count[m]
    right = np.zeros(m, dtype=complex)
    right[-1] = m - count[m]
    return np.asarray(np.maximum(np.linalg.solve(system, right).real, 0.0))
