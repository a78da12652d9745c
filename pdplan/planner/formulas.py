"""The planner's own small expressions, traced by `explain` like every other formula."""

from __future__ import annotations

from typing import Any


def sum_of_parts_s(**parts_s: Any) -> Any:
    """Mean TTFT: the sum of its parts [s].

    Source: linearity of the mean.

    Examples
    --------
    >>> sum_of_parts_s(queue=0.1, prefill=0.25)
    0.35
    """
    total = 0
    for part in parts_s.values():
        total = total + part
    return total


def mean_transfer_s(startup_s: Any, mean_payload_bytes: Any, link_bytes_per_s: Any) -> Any:
    """Mean time on the wire: start-up plus mean payload over bandwidth [s].

    Source: Hockney 1994, "The communication challenge for MPP", equation 1, averaged over payloads.

    Examples
    --------
    >>> mean_transfer_s(0.0, 268435456, 25e9)
    0.01073741824
    """
    return startup_s + mean_payload_bytes / link_bytes_per_s


def link_utilization(
    arrival_rate: Any, mean_payload_bytes: Any, instances: Any, link_bytes_per_s: Any
) -> Any:
    """Bytes offered over bytes possible, at each of ``instances`` ends [-].

    Source: definition of utilisation, rho = lambda E S / c.

    Examples
    --------
    >>> link_utilization(10.0, 1e9, 2, 25e9)
    0.2
    """
    return arrival_rate * mean_payload_bytes / (instances * link_bytes_per_s)


def pool_gpus(prefill_instances: Any, prefill_gpus: Any, decode_instances: Any, decode_gpus: Any) -> Any:
    """GPUs of both pools [-].

    Source: count.

    Examples
    --------
    >>> pool_gpus(2, 4, 3, 4)
    20
    """
    return prefill_instances * prefill_gpus + decode_instances * decode_gpus


def fleet_usd_per_hour(
    prefill_instances: Any, prefill_usd_per_hour: Any, decode_instances: Any, decode_usd_per_hour: Any
) -> Any:
    """Price of both pools [USD/h].

    Source: catalog prices per GPU-hour, or the scenario's own.

    Examples
    --------
    >>> fleet_usd_per_hour(2, 10.0, 3, 20.0)
    80.0
    """
    return prefill_instances * prefill_usd_per_hour + decode_instances * decode_usd_per_hour


def cost_per_million_tokens(usd_per_hour: Any, arrival_rate: Any, mean_tokens: Any) -> Any:
    """Price of a million tokens at the planned traffic [USD].

    Source: dimensional; 3600 s an hour, 1e6 tokens.

    Examples
    --------
    >>> round(cost_per_million_tokens(36.0, 10.0, 100.0), 9)
    10.0
    """
    return usd_per_hour * 1_000_000 / (3600 * arrival_rate * mean_tokens)


def pool_utilization(arrival_rate: Any, work_s: Any, instances: Any) -> Any:
    """Work offered over work possible: rho = lambda S / n [-].

    Source: definition of utilisation.

    Examples
    --------
    >>> pool_utilization(8.0, 0.1, 2)
    0.4
    """
    return arrival_rate * work_s / instances


def decode_steps_per_s(arrival_rate: Any, instances: Any, decode_share: Any, decode_steps: Any) -> Any:
    """Decode steps of single requests that one instance is asked for, per second [1/s].

    Source: Little's law.

    Examples
    --------
    >>> decode_steps_per_s(8.0, 2, 1.0, 200.0)
    800.0
    """
    return arrival_rate / instances * decode_share * decode_steps


def decode_utilization(steps_per_s: Any, seconds_per_step: Any) -> Any:
    """Steps asked per second times what one costs in a full batch, t(B)/B [-].

    Source: stability of the batch, lambda G t(B)/B < 1.

    Examples
    --------
    >>> decode_utilization(800.0, 0.0005)
    0.4
    """
    return steps_per_s * seconds_per_step


def kv_share(kv_tokens: Any, kv_capacity_tokens: Any) -> Any:
    """KV tokens over the tokens that memory holds [-].

    Source: definition.

    Examples
    --------
    >>> kv_share(100.0, 400.0)
    0.25
    """
    return kv_tokens / kv_capacity_tokens
