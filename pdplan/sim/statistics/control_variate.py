"""Coupled control variates: one fast server with the same arrivals and lengths, whose law is known."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive, require_stable
from pdplan.errors import InputError
from pdplan.queueing import mg1_mean_wait_s
from pdplan.sim.statistics.batch_means import BATCHES, MeanEstimate, batch_means, lag1_correlation

Array = NDArray[np.float64]


def lindley_waits(arrival_s: Array, service_s: Array) -> Array:
    """Return the waits at a single server, first come, first served, empty at the start [s].

    W_{k+1} = max(0, W_k + S_k - A_{k+1}), as a running minimum. Source: D. V. Lindley, The theory of queues
    with a single server, Proc. Cambridge Phil. Soc. 48 (1952) 277-289.

    Examples
    --------
    >>> lindley_waits(np.array([0.0, 1.0, 5.0]), np.array([3.0, 1.0, 1.0])).tolist()
    [0.0, 2.0, 0.0]
    """
    if arrival_s.size != service_s.size or arrival_s.size == 0:
        raise InputError(f"{arrival_s.size} arrivals and {service_s.size} services: give as many of each")
    walk = np.empty(arrival_s.size)
    walk[0] = 0.0
    np.cumsum(service_s[:-1] - np.diff(arrival_s), out=walk[1:])
    walk -= np.minimum.accumulate(walk)
    return walk


def fast_server_control(
    arrival_s: Array,
    service_s: Array,
    servers: int,
    arrival_rate: float,
    service_moments_s: tuple[float, float],
) -> tuple[Array, float]:
    """Return the waits of a server ``servers`` times as fast, and their exact mean [s].

    Poisson arrivals. The exact mean is Pollaczek and Khinchine's, from the moments of the law the services
    were drawn from, not of the sample.

    Parameters
    ----------
    arrival_s, service_s : array
        Of the requests, as the fleet is given them [s].
    servers : int
        c of the fleet: the control's services take S/c.
    arrival_rate : float
        Of the Poisson process [1/s].
    service_moments_s : (float, float)
        E S [s] and E S^2 [s^2] of the law.

    Returns
    -------
    (array, float)

    Raises
    ------
    UnstableError
        The fleet is offered more than it can do.

    Notes
    -----
    Measured: at c = 4 the difference has 20-800 times less variance than the wait itself, at c = 32 and a
    utilisation of 0.8 twice less.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> arrival = np.cumsum(rng.exponential(1 / 3.2, 50_000))
    >>> waits, exact = fast_server_control(arrival, np.ones(50_000), 4, 3.2, (1.0, 1.0))
    >>> round(exact, 3), bool(abs(waits.mean() / exact - 1) < 0.1)
    (0.5, True)
    """
    mean_s, square_s2 = service_moments_s
    require_positive("servers", servers)
    require_positive("E S", mean_s, "s")
    require_stable(arrival_rate * mean_s / servers, what="the fleet")
    fast_s = mean_s / servers
    scv = square_s2 / mean_s**2 - 1.0
    exact = float(mg1_mean_wait_s(arrival_rate, fast_s, scv))
    return lindley_waits(arrival_s, service_s / servers), exact


def controlled_mean(
    values: Array, control: Array, control_mean: float, batches: int = BATCHES
) -> MeanEstimate:
    """Return the mean of ``values`` corrected by what the control is known to be off.

    Regression of the batch means on those of the control, read at the control's exact mean; ``batches - 2``
    degrees of freedom. Never much worse than without control: an unrelated control costs one degree of
    freedom.

    Source: S. S. Lavenberg, P. D. Welch, A perspective on the use of control variables to increase the
    efficiency of Monte Carlo simulations, Management Science 27 (1981) 322-335.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> known = rng.exponential(1.0, 3200)
    >>> found = controlled_mean(2.0 * known + 0.1 * rng.random(3200), known, 1.0)
    >>> round(found.estimate, 2), found.std_error < 0.001
    (2.05, True)
    """
    if values.size != control.size:
        raise InputError(f"{values.size} values and {control.size} of the control: give as many of each")
    y, x = batch_means(values, batches), batch_means(control, batches)
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread > 0 else 0.0
    rest = y - y.mean() - slope * (x - x.mean())
    variance = float((rest**2).sum()) / (batches - 2)
    off = float(x.mean()) - control_mean
    error = math.sqrt(variance * (1.0 / batches + (off**2 / spread if spread > 0 else 0.0)))
    return MeanEstimate(
        float(y.mean()) - slope * off, error, batches - 2, lag1_correlation(rest), values.size
    )
