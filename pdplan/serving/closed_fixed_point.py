r"""Closed network by a fixed point on its throughput: for more users than a state by state solution can take.

.. math:: X = \frac{N}{T_{queue} + T_{prefill} + T_{transfer} + T_{join} + G\,t + Z}

Every time on the right grows with X, so the fixed point is unique; it is bracketed and bisected. The prefill
wait is that of the open station at the rate the others send, X (N-1)/N; a token in decode shares its step
with the others, :math:`t(1 + b (N-1)/N)`, b = X G t per instance. What a station at its limit cannot pass on
waits before it.

Source: M. Reiser and S. S. Lavenberg, J. ACM 27 (1980) 313-322 (mean-value analysis); P. J. Schweitzer, Int.
Conf. Stochastic Control and Optimization (1979) (fixed point).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pdplan.checks import require_positive
from pdplan.errors import UnstableError
from pdplan.serving.closed_parts import ClosedFleet, ClosedParts
from pdplan.serving.roots import decreasing_root


def closed_throughput(users: float, cycle_s: Callable[[float], float], limit: float) -> float:
    """Solve X = N / cycle(X) for a cycle time that grows with X, below a limit [1/s].

    Parameters
    ----------
    users : float
        N [-].
    cycle_s : callable
        Time from one request of a user to the next at throughput X, without waits for a full station [s].
    limit : float
        Throughput that no station passes [1/s]; the answer if N users could ask for more.

    Examples
    --------
    >>> round(closed_throughput(10, lambda x: 2.0 + x, 100.0), 6)       # x (2 + x) = 10
    2.316625
    >>> closed_throughput(10, lambda x: 0.01, 100.0)
    100.0
    """
    require_positive("users", users)
    require_positive("limit", limit, "1/s")
    top = limit * (1 - 1e-9)
    if top * cycle_s(top) <= users:
        return limit
    return decreasing_root(lambda x: users - x * cycle_s(x), 0.0, top, rtol=1e-7)


def solve_fixed_point(fleet: ClosedFleet) -> ClosedParts:
    """Solve the network; see the module."""
    others = (fleet.users - 1) / fleet.users

    def wait_at(throughput: float) -> float:
        rate = throughput * others
        if rate <= 0:
            return 0.0
        try:
            return fleet.prefill_at(rate).mean_wait_s
        except UnstableError:
            return np.inf

    def step_at(throughput: float) -> float:
        """t(1 + b (N-1)/N), b = (X/D) G t, from below [s]."""
        per_instance = throughput * fleet.steps / fleet.decode_instances
        most = min(float(fleet.users), float(fleet.max_batch or np.inf))

        def gap(step_s: float) -> float:
            batch = min(1.0 + per_instance * step_s * others, most)
            return float(fleet.step.at(batch)) - step_s

        low, high = float(fleet.step.at(1.0)), float(fleet.step.at(most))
        return high if gap(high) > 0 or low >= high else decreasing_root(gap, low, high, rtol=1e-9)

    def join_at(throughput: float, step_s: float) -> float:
        return 0.5 * step_s * fleet.decode_share * min(1.0, throughput * others * fleet.steps * step_s)

    fixed = fleet.mean_prefill_s + fleet.mean_transfer_s + fleet.think_s

    def cycle(x: float) -> float:
        step_s = step_at(x)
        return wait_at(x) + fixed + join_at(x, step_s) + fleet.steps * step_s

    x = closed_throughput(fleet.users, cycle, min(fleet.prefill_limit, fleet.decode_limit))
    step_s = step_at(x)
    wait = wait_at(x) if x < fleet.prefill_limit * (1 - 1e-8) else 0.0
    join = join_at(x, step_s)
    # what the binding station holds back waits before it
    held = max(0.0, fleet.users / x - (wait + fixed + join + fleet.steps * step_s))
    binds = fleet.prefill_limit <= fleet.decode_limit
    return ClosedParts(
        throughput=x,
        queue_s=wait + (held if binds else 0.0),
        prefill_s=fleet.mean_prefill_s,
        transfer_s=fleet.mean_transfer_s,
        admission_s=0.0 if binds else held,
        join_s=join,
        step_s=step_s,
        prefill_busy=min(1.0, x / fleet.prefill_limit),
    )
