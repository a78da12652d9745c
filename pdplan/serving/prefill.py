"""Time to first token of one prefill instance with equal prompts, and what it can carry within a target.

Equal prompts arriving as a Poisson stream make prefill an M/D/1 queue (DistServe). Two GPUs used as a
pipeline (inter-op) or as one tensor-parallel device (intra-op) trade waiting against execution.
"""

from __future__ import annotations

from typing import Any

from pdplan.checks import is_symbolic, require_positive, require_stable
from pdplan.errors import InputError
from pdplan.serving.prefill_throughput import (
    effective_prefill_throughput,
    effective_prefill_throughput_percentile,
    mm1_percentile_factor,
    smallest_ttft_s,
)

__all__ = [
    "effective_prefill_throughput",
    "effective_prefill_throughput_percentile",
    "interop_crossover_rate",
    "mean_ttft_inter_op_s",
    "mean_ttft_intra_op_s",
    "mean_ttft_s",
    "mm1_percentile_factor",
    "smallest_ttft_s",
    "wait_percentile_intra_op_s",
]


def mean_ttft_s(arrival_rate: Any, service_s: Any) -> Any:
    r"""Mean TTFT of one instance: execution plus M/D/1 wait.

    .. math:: D + \frac{R D^2}{2 (1 - R D)}

    Parameters
    ----------
    arrival_rate : float
        Poisson arrivals, R [1/s].
    service_s : float
        Prefill time of one prompt, the same for all, D [s].

    Returns
    -------
    float
        Mean TTFT of the prefill part [s].

    Raises
    ------
    UnstableError
        R D >= 1.

    References
    ----------
    Zhong et al. 2024 (DistServe, OSDI), equation 1; Pollaczek 1930, Khinchine 1932.

    Examples
    --------
    >>> round(mean_ttft_s(4, 0.2), 9)
    0.6
    """
    _check(arrival_rate, service_s)
    require_stable(arrival_rate * service_s, what="the prefill instance")
    return service_s + arrival_rate * service_s**2 / (2 * (1 - arrival_rate * service_s))


def mean_ttft_inter_op_s(arrival_rate: Any, service_s: Any, stages: Any = 2) -> Any:
    r"""Mean TTFT of a pipeline of equal stages: the whole execution, and the wait at the first stage.

    .. math:: D + \frac{R (D/s)^2}{2 (1 - R D/s)}, \qquad s = 2:\; D + \frac{R D^2}{4 (2 - R D)}

    Parameters
    ----------
    arrival_rate : float
        Poisson arrivals, R [1/s].
    service_s : float
        Prefill time of one prompt through all stages, D [s].
    stages : int
        Pipeline degree, s [-].

    Returns
    -------
    float
        Mean TTFT of the prefill part [s].

    Notes
    -----
    Equal deterministic stages: a prompt never waits after the first. With variable lengths it does.

    Raises
    ------
    UnstableError
        R D >= stages.

    References
    ----------
    Zhong et al. 2024 (DistServe, OSDI), equation 2, for two stages.

    Examples
    --------
    >>> round(mean_ttft_inter_op_s(4, 0.2), 6)
    0.233333
    """
    _check(arrival_rate, service_s)
    require_positive("stages", stages)
    stage_s = service_s / stages
    require_stable(arrival_rate * stage_s, what="the prefill pipeline")
    return service_s + arrival_rate * stage_s**2 / (2 * (1 - arrival_rate * stage_s))


def mean_ttft_intra_op_s(arrival_rate: Any, service_s: Any, speedup: Any) -> Any:
    r"""Mean TTFT of a tensor-parallel instance that runs a prompt K times faster.

    .. math:: \frac{D}{K} + \frac{R D^2}{2 K (K - R D)}

    Parameters
    ----------
    arrival_rate : float
        Poisson arrivals, R [1/s].
    service_s : float
        Prefill time of one prompt without tensor parallelism, D [s].
    speedup : float
        K, below the degree because of communication [-].

    Returns
    -------
    float
        Mean TTFT of the prefill part [s].

    Raises
    ------
    UnstableError
        R D >= K.

    References
    ----------
    Zhong et al. 2024 (DistServe, OSDI), equation 3.

    Examples
    --------
    >>> round(mean_ttft_intra_op_s(4, 0.2, 1.5), 6)
    0.209524
    """
    _check(arrival_rate, service_s)
    require_positive("speedup", speedup)
    require_stable(arrival_rate * service_s / speedup, what="the tensor-parallel prefill instance")
    return service_s / speedup + arrival_rate * service_s**2 / (
        2 * speedup * (speedup - arrival_rate * service_s)
    )


def interop_crossover_rate(service_s: Any, speedup: Any, stages: Any = 2) -> Any:
    r"""Arrival rate at which a pipeline's mean TTFT falls below that of tensor parallelism.

    Equations 2 and 3 are equal where :math:`x = R D` is the smaller root of

    .. math:: x^2 - (K + s)\,x + \frac{2 K s^2 (K - 1)}{K (2 s - 1) - s} = 0

    Parameters
    ----------
    service_s : float
        Prefill time of one prompt on one device, D [s].
    speedup : float
        K of tensor parallelism over the same number of devices, in [1, stages] [-].
    stages : int
        Pipeline degree, s [-].

    Returns
    -------
    float
        R [1/s]: below it tensor parallelism is faster, above it the pipeline.

    Notes
    -----
    0 at K = 1 (tensor parallelism never pays), the common capacity s/D at K = s (the pipeline never pays).

    Raises
    ------
    InputError
        K outside [1, stages].

    References
    ----------
    Zhong et al. 2024 (DistServe, OSDI), equations 2 and 3 set equal (figure 4 shows the crossing).

    Examples
    --------
    >>> round(interop_crossover_rate(0.2, 1.5), 3)
    4.68
    """
    require_positive("service_s", service_s, "s")
    require_positive("stages", stages)
    require_positive("speedup", speedup)
    if not (is_symbolic(speedup) or is_symbolic(stages)) and not 1 <= speedup <= stages:
        raise InputError(
            f"speedup is {speedup:g} over {stages:g} devices: it must lie between 1 and their number"
        )
    half_sum = (speedup + stages) / 2
    product = 2 * speedup * stages**2 * (speedup - 1) / (speedup * (2 * stages - 1) - stages)
    return (half_sum - (half_sum**2 - product) ** 0.5) / service_s


def wait_percentile_intra_op_s(unit_wait: Any, service_s: Any, speedup: Any = 1.0) -> Any:
    r"""Scale a percentile of the M/D/1 wait from unit service to an instance.

    .. math:: q_p(R; D, K) = \frac{D}{K}\, q_p(\rho), \qquad \rho = R D / K

    Every percentile of equal prompts scales so: time is measured in services.

    Parameters
    ----------
    unit_wait : float
        q_p at the same utilisation with a service of 1, for instance
        ``MD1(rho, 1.0).wait_quantile_s(p)`` [-].
    service_s, speedup : float
        D [s] and K [-].

    Returns
    -------
    float
        p-quantile of the wait [s].

    Raises
    ------
    InputError
        Values out of range.

    Examples
    --------
    >>> round(wait_percentile_intra_op_s(3.0, 0.2, 1.5), 3)
    0.4
    """
    require_positive("unit_wait", unit_wait, zero_ok=True)
    require_positive("service_s", service_s, "s")
    require_positive("speedup", speedup)
    return unit_wait * service_s / speedup


def _check(arrival_rate: Any, service_s: Any) -> None:
    require_positive("arrival_rate", arrival_rate, "1/s", zero_ok=True)
    require_positive("service_s", service_s, "s")
