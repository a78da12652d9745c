"""GPUs and money, traced by `explain`."""

from __future__ import annotations

from typing import Any


def pool_gpus(prefill_instances: Any, prefill_gpus: Any, decode_instances: Any, decode_gpus: Any) -> Any:
    """GPUs of both pools [-].

    Source: count.

    Examples
    --------
    >>> pool_gpus(2, 4, 3, 4)
    20
    """
    return prefill_instances * prefill_gpus + decode_instances * decode_gpus


def gpus_of(instances: Any, gpus_each: Any) -> Any:
    """GPUs of one pool [-].

    Source: count.

    Examples
    --------
    >>> gpus_of(3, 4)
    12
    """
    return instances * gpus_each


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


def pool_usd_per_hour(instances: Any, usd_per_hour_each: Any) -> Any:
    """Price of one pool [USD/h].

    Source: catalog prices per GPU-hour, or the scenario's own.

    Examples
    --------
    >>> pool_usd_per_hour(3, 2.5)
    7.5
    """
    return instances * usd_per_hour_each


def cost_per_million_tokens(usd_per_hour: Any, arrival_rate: Any, mean_tokens: Any) -> Any:
    """Price of a million tokens at the planned traffic [USD].

    Source: dimensional; 3600 s an hour, 1e6 tokens.

    Examples
    --------
    >>> round(cost_per_million_tokens(36.0, 10.0, 100.0), 9)
    10.0
    """
    return 1_000_000 * usd_per_hour / (3600 * arrival_rate * mean_tokens)


def saving_usd_per_hour(other_usd_per_hour: Any, usd_per_hour: Any) -> Any:
    """What one fleet costs less than another [USD/h].

    Source: difference.

    Examples
    --------
    >>> saving_usd_per_hour(30.0, 24.0)
    6.0
    """
    return other_usd_per_hour - usd_per_hour


def saving_share(other_usd_per_hour: Any, usd_per_hour: Any) -> Any:
    """What one fleet costs less than another, as a share of the other [-].

    Source: definition.

    Examples
    --------
    >>> saving_share(32.0, 24.0)
    0.25
    """
    return 1 - usd_per_hour / other_usd_per_hour
