r"""One prefill instance of a closed network: arrivals at a rate that falls with the number already there.

The number present is followed from the end of one step to the end of the next. Meanwhile prompts come as a
pure birth process; its law over a step of random length is summed by uniformisation,

.. math:: E[e^{QS}] = \sum_j P(N_{\theta S} = j)\,(I + Q/\theta)^j

with S taken as gamma of the step's mean and variance, so that the count is negative binomial. Time averages
follow from level crossings: each level is left upwards as often as it is passed downwards.

Source: J. W. Cohen, The Single Server Queue, 1982, III.2 (embedded chains); R. Marie, IEEE Trans. Softw. Eng.
5 (1979) 530-538 (rates conditional on the number present).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdplan.serving.closed_steps import StepMenu

Array = NDArray[np.float64]

#: Weight of events that may be left out of a step.
_TAIL = 1e-9
#: Steps less probable than this are left out.
_RARE = 1e-8
#: Numbers that are cheaper handled all at once than row by row.
_SMALL = 200_000
#: Arrival rates are cut to this multiple of what the instance passes: faster, it is never idle anyway.
_FASTEST = 6.0


@dataclass(frozen=True, eq=False)
class ClosedStation:
    """Stationary law of one prefill instance.

    Attributes
    ----------
    arrival_rates : array
        With k = 0 .. K present [1/s].
    number : array
        P(k present), over time [-].
    throughput : float
        Prompts per second [1/s].
    at_start : array
        P(k present when a step starts) [-].
    left_over : array
        Chance that the first of k prompts at the start of a step was left over by the step before [-].
    companions : float
        Mean number of other prompts in the step of a given one [-].
    """

    arrival_rates: Array
    number: Array
    throughput: float
    at_start: Array
    left_over: Array
    companions: float

    @property
    def mean_number(self) -> float:
        """Prompts present, waiting or in the step [-]."""
        return float(self.number @ np.arange(self.number.size))

    @property
    def busy(self) -> float:
        """Share of time at work [-]."""
        return 1.0 - float(self.number[0])

    def service_rates(self, users: int) -> Array:
        """Rates of the product-form station with the same law, with 1 .. users present [1/s].

        Beyond the numbers that matter the rate stays as it is there.
        """
        up = (self.number * self.arrival_rates)[:-1]
        tail = np.cumsum(self.number[::-1])[::-1][1:]
        good = np.flatnonzero((self.number[1:] > 1e-9 * tail[0]) & (up > 0) & (tail > 1e-3 * tail[0]))
        rate = up[good] / self.number[1 + good]
        return np.asarray(np.interp(np.arange(users), good, rate))


def solve_station(arrival_rates: Array, menu: StepMenu) -> ClosedStation:
    """Solve the chain.

    Parameters
    ----------
    arrival_rates : array, shape (K + 1,)
        Arrivals per second with k present; the last must be 0 [1/s].
    menu : StepMenu
        Steps for 0 .. K prompts.

    Examples
    --------
    >>> from pdplan.serving.closed_steps import one_at_a_time
    >>> menu = one_at_a_time(np.ones(1), np.ones(1), 2)
    >>> menu = StepMenu(menu.takes, menu.chance, menu.mean_s, menu.mean_s)     # exponential service
    >>> s = solve_station(np.array([2.0, 1.0, 0.0]), menu)
    >>> s.number.round(5).tolist()                            # 1 : 2 : 2
    [0.2, 0.4, 0.4]
    """
    rates = np.minimum(arrival_rates, _FASTEST * float(menu.rates.max()))
    size = rates.size
    k = np.arange(size)
    counts = _births(rates, menu)
    after = np.zeros((size, size))
    kinds = []  # (present before, arrivals included, prompts taken, chance) of each kind of step
    for row, takes in enumerate(menu.takes):
        able = k[takes:]
        end = np.minimum(able[:, None] + np.arange(counts.shape[2])[None, :], size - 1)
        chance = counts[row, able] * menu.chance[row, able][:, None]
        kinds.append((able, end, int(takes), chance))
        flat = (able[:, None] * size + end - takes).ravel()
        after += np.bincount(flat, chance.ravel(), minlength=size * size).reshape(size, size)
    after[0] = after[1]  # an idle instance waits for a prompt and starts
    pi = _stationary(after)
    length = menu.expected_s.copy()
    length[0] = length[1] + 1.0 / rates[0]
    per_s = 1.0 / float(pi @ length)
    at_start = pi.copy()
    at_start[1] += at_start[0]
    at_start[0] = 0.0
    before, left = np.zeros(size), np.zeros(size)
    for able, end, takes, chance in kinds:
        flow = at_start[able][:, None] * chance
        before += np.bincount(end.ravel(), flow.ravel(), minlength=size)
        # the first row has just as many there as the step takes: nothing is left over
        left += np.bincount((end[1:] - takes).ravel(), flow[1:].ravel(), minlength=size)
    passed = np.cumsum(pi) - np.cumsum(before)
    number = np.zeros(size)
    number[:-1] = per_s * np.maximum(passed[:-1], 0.0) / rates[:-1]
    number[-1] = max(0.0, 1.0 - number.sum())
    number /= number.sum()
    left_over = np.where(at_start > 1e-200, np.minimum(left / np.maximum(at_start, 1e-200), 1.0), 1.0)
    by_row = menu.chance @ at_start
    taken = float(by_row @ menu.takes)
    companions = float(by_row @ (menu.takes * (menu.takes - 1.0))) / taken
    return ClosedStation(rates, number, per_s * taken, at_start, left_over, companions)


def _births(rates: Array, menu: StepMenu) -> Array:
    """Law of the arrivals during each kind of step from each number present: (row, k, arrivals)."""
    size = rates.size
    theta = float(rates.max()) * 1.0001
    used = (menu.chance > _RARE) & (menu.mean_s > 0)
    mean = np.where(used, menu.mean_s, 1.0)
    var = np.where(used, menu.var_s, 1.0)
    shape = mean**2 / np.maximum(var, 1e-6 * mean**2)
    per = shape / mean  # rate of the gamma
    chance = np.where(used, np.exp(-shape * np.log1p(theta / per)), 0.0)
    most = _longest(theta, mean[used], var[used])
    width = min(most + 1, size)
    law = np.zeros((size, width))
    law[:, 0] = 1.0
    ahead = rates[np.minimum(np.arange(size)[:, None] + np.arange(width)[None, :], size - 1)] / theta
    total = np.zeros((menu.takes.size, size, width))
    done = np.zeros_like(chance)
    for j in range(most + 1):
        far = min(j + 1, width)
        if total.size < _SMALL:
            total[:, :, :far] += chance[:, :, None] * law[None, :, :far]
        else:
            for r in np.flatnonzero(chance.max(axis=1) > _TAIL / 100):
                total[r, :, :far] += chance[r][:, None] * law[:, :far]
        done += chance
        if j == most or float((1.0 - done)[used].max()) < _TAIL:
            break
        chance = chance * (shape + j) / (j + 1) * theta / (per + theta)
        moving = law * ahead
        law = law - moving
        law[:, 1:] += moving[:, :-1]
        law[:, -1] += moving[:, -1]
    return np.asarray(total / np.maximum(done, 1e-300)[:, :, None])


def _longest(theta: float, mean_s: Array, var_s: Array) -> int:
    """Events beyond which no step reaches, nearly."""
    events = theta * mean_s
    spread = np.sqrt(events + theta**2 * var_s)
    tail = theta * var_s / mean_s  # of the gamma, in events
    return int(np.ceil(float((events + 6.5 * spread + 14 * tail).max()))) + 4


def _stationary(matrix: Array) -> Array:
    size = matrix.shape[0]
    system = matrix.T - np.eye(size)
    system[-1] = 1.0
    right = np.zeros(size)
    right[-1] = 1.0
    pi = np.maximum(np.linalg.solve(system, right), 0.0)
    return np.asarray(pi / pi.sum())
