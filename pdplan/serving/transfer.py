"""The KV link as a queue: what it carries, how full it is, how long transfers wait."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import is_symbolic, require_positive, require_stable
from pdplan.queueing.mg1 import MG1
from pdplan.queueing.service import Atoms
from pdplan.serving.economics import effective_transfer, transfer_seconds

Array = NDArray[np.float64]

__all__ = [
    "effective_link_bytes_per_s",
    "effective_transfer",
    "link_never_queues",
    "link_seconds",
    "link_utilization",
    "link_wait",
    "shared_transfer_mean_s",
    "smallest_link_bytes_per_s",
    "transfer_seconds",
]


def effective_link_bytes_per_s(nics: Any, nic_bytes_per_s: Any, software_cap_bytes_per_s: Any = None) -> Any:
    r"""Rate of one instance's link, :math:`\min(\mathrm{NICs} \cdot r, \mathrm{cap})`.

    Parameters
    ----------
    nics : int
        Ports of the instance [-].
    nic_bytes_per_s : float
        One port, one direction, r [bytes/s].
    software_cap_bytes_per_s : float, optional
        What the transfer library reaches whatever the ports [bytes/s].

    Returns
    -------
    float
        [bytes/s].

    Raises
    ------
    InputError
        Values that are not positive.

    Examples
    --------
    >>> effective_link_bytes_per_s(8, 50e9, 142e9)       # eight 400 Gb/s ports, measured ceiling
    142000000000.0
    """
    require_positive("nics", nics)
    require_positive("nic_bytes_per_s", nic_bytes_per_s, "B/s")
    rate = nics * nic_bytes_per_s
    if software_cap_bytes_per_s is None:
        return rate
    require_positive("software_cap_bytes_per_s", software_cap_bytes_per_s, "B/s")
    if is_symbolic(rate) or is_symbolic(software_cap_bytes_per_s):
        import sympy  # a symbol was given, so sympy is loaded already

        return sympy.Min(rate, software_cap_bytes_per_s)
    return min(rate, software_cap_bytes_per_s)


def link_seconds(payload_bytes: Any, link_bytes_per_s: Any, startup_s: Any = 0.0) -> Any:
    r"""Time of one transfer over an idle link, :math:`t_0 + \mathrm{bytes}/\mathrm{rate}`.

    One achievable fraction does not fit real links: eight NICs move 128 tokens at 37 GB/s and long prompts at
    142 of 400. A start-up time does.

    Parameters
    ----------
    payload_bytes : float
        [bytes].
    link_bytes_per_s : float
        From `effective_link_bytes_per_s` [bytes/s].
    startup_s : float
        t_0 [s].

    Returns
    -------
    float
        [s].

    Raises
    ------
    InputError
        Values out of range.

    References
    ----------
    Hockney 1994 (Parallel Computing 20): the communication model r-infinity, t_0.

    Examples
    --------
    >>> round(link_seconds(268435456, 25e9, 0.001), 6)
    0.011737
    """
    require_positive("payload_bytes", payload_bytes, "B", zero_ok=True)
    require_positive("link_bytes_per_s", link_bytes_per_s, "B/s")
    require_positive("startup_s", startup_s, "s", zero_ok=True)
    return startup_s + payload_bytes / link_bytes_per_s


def link_utilization(
    arrival_rate: Any, mean_payload_bytes: Any, instances: Any, link_bytes_per_s: Any
) -> Any:
    r"""Bytes per second offered over bytes per second available, on one side of the transfer.

    .. math:: \rho = \frac{\lambda\,\bar b}{n\,r}

    Ask once with the prefill instances (egress) and once with the decode instances (ingress): both must stay
    below 1, as the two pools must.

    Parameters
    ----------
    arrival_rate : float
        Requests of the fleet that transfer KV, lam [1/s].
    mean_payload_bytes : float
        [bytes].
    instances : int
        Instances on this side, n [-].
    link_bytes_per_s : float
        Rate of one instance's link, r [bytes/s].

    Returns
    -------
    float
        [-]; not checked against 1, so that a plan can show how far over it is.

    Raises
    ------
    InputError
        Values out of range.

    Examples
    --------
    >>> link_utilization(10, 1207959552, 1, 12.5e9)      # OPT-66B, 512 tokens, 10 req/s on 100 Gb/s
    0.9663676416
    """
    require_positive("arrival_rate", arrival_rate, "1/s")
    require_positive("mean_payload_bytes", mean_payload_bytes, "B", zero_ok=True)
    require_positive("instances", instances)
    require_positive("link_bytes_per_s", link_bytes_per_s, "B/s")
    return arrival_rate * mean_payload_bytes / (instances * link_bytes_per_s)


def smallest_link_bytes_per_s(
    arrival_rate: Any, mean_payload_bytes: Any, instances: Any, max_utilization: Any
) -> Any:
    """Rate per instance that keeps `link_utilization` at a limit: its inverse [bytes/s].

    Examples
    --------
    >>> round(smallest_link_bytes_per_s(10, 1207959552, 1, 0.85) * 8 / 1e9, 1)      # Gb/s
    113.7
    """
    require_positive("max_utilization", max_utilization)
    return link_utilization(arrival_rate, mean_payload_bytes, instances, 1.0) / max_utilization


def link_never_queues(transfer_s: Array, prefill_s: Array) -> bool:
    """Whether one prefill instance can never make its own link queue: equal prompts, link no slower.

    Departures of a deterministic prefill are at least one prefill apart, so a transfer that takes no longer
    has ended before the next begins. With several lengths a short prompt may follow a long payload.

    Parameters
    ----------
    transfer_s, prefill_s : array
        Transfer and prefill of each length that occurs [s].

    Examples
    --------
    >>> link_never_queues(np.array([0.01]), np.array([0.2]))
    True
    >>> link_never_queues(np.array([0.30]), np.array([0.2]))
    False
    """
    return bool(np.max(transfer_s) <= np.min(prefill_s))


def link_wait(arrival_rate: float, transfer_s: Array, weight: Array) -> MG1:
    """Law of the wait for the link of one instance that sends one payload after another (M/G/1).

    Measured: with four or more prefill instances and random splitting the p99 is within 5%; one prefill
    instance with variable lengths at link load 0.7 is 12% below simulation.

    Parameters
    ----------
    arrival_rate : float
        Transfers of this link [1/s].
    transfer_s, weight : array
        Transfer times and their probabilities [s], [-].

    Raises
    ------
    UnstableError
        The link is offered more than it carries.

    Examples
    --------
    >>> law = link_wait(5.0, np.array([0.1]), np.array([1.0]))
    >>> round(law.mean_wait_s, 6)
    0.05
    """
    return MG1(arrival_rate, Atoms(transfer_s, weight))


def shared_transfer_mean_s(transfer_s: Any, utilization: Any) -> Any:
    r"""Mean time of a transfer whose link is shared evenly by all under way, :math:`S/(1-\rho)`.

    Parameters
    ----------
    transfer_s : float
        Transfer alone, S [s].
    utilization : float
        rho of the link [-].

    Returns
    -------
    float
        [s]; M/G/1 processor sharing, whatever the law of the lengths.

    Raises
    ------
    UnstableError
        rho >= 1.

    References
    ----------
    Kleinrock 1967, Sakata, Noguchi and Oizumi 1969.

    Examples
    --------
    >>> shared_transfer_mean_s(0.01, 0.75)
    0.04
    """
    require_positive("transfer_s", transfer_s, "s", zero_ok=True)
    require_positive("utilization", utilization, zero_ok=True)
    require_stable(utilization, what="the KV link")
    return transfer_s / (1 - utilization)
