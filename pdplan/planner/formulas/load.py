"""Loads of stations and what an instance holds, traced by `explain`."""

from __future__ import annotations

from typing import Any


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


def work_per_prompt_s(mean_new_tokens: Any, full_step_s: Any, step_tokens: Any) -> Any:
    """Instance time of a prompt in full steps: its share of a step's tokens [s].

    Source: definition; steps of the token budget.

    Examples
    --------
    >>> work_per_prompt_s(1000.0, 0.4, 8000.0)
    0.05
    """
    return mean_new_tokens * full_step_s / step_tokens


def full_batch_utilization(steps_per_s: Any, full_step_s: Any, batch_cap: Any) -> Any:
    """Steps asked per second over those of an instance whose batch is full, lambda G t(B) / B [-].

    Source: stability of the batch, lambda G t(B)/B < 1.

    Examples
    --------
    >>> full_batch_utilization(800.0, 0.05, 100)
    0.4
    """
    return steps_per_s * full_step_s / batch_cap


def share_of_nics_bytes_per_s(nics: Any, nic_bytes_per_s: Any, gpus: Any, node_gpus: Any) -> Any:
    """Bandwidth of an instance that has g of the G GPUs of a node, and their share of its NICs [B/s].

    Source: count.

    Examples
    --------
    >>> share_of_nics_bytes_per_s(8, 50e9, 4, 8)
    200000000000.0
    """
    return nics * nic_bytes_per_s * gpus / node_gpus


def weights_each_bytes(weights_bytes: Any, tensor_degree: Any, pipeline_degree: Any) -> Any:
    """Weights of each GPU of an instance that splits them evenly [B].

    Source: count.

    Examples
    --------
    >>> weights_each_bytes(140e9, 2, 2)
    35000000000.0
    """
    return weights_bytes / (tensor_degree * pipeline_degree)
