"""How many, how much room, how much more, traced by `explain`."""

from __future__ import annotations

from typing import Any

from pdplan.serving.pd_sizing import PdCounts, pd_counts
from pdplan.serving.piecewise import larger


def larger_of(first: Any, second: Any) -> Any:
    """The larger of two [-].

    Source: definition.

    Examples
    --------
    >>> larger_of(0.2, 0.3)
    0.3
    """
    return larger(first, second)


def slack_of(limit: Any, value: Any) -> Any:
    """Room left, as a share of a limit [-].

    Source: definition.

    Examples
    --------
    >>> slack_of(2.0, 1.5)
    0.25
    """
    return (limit - value) / limit


def share_slack_of(limit: Any, value: Any) -> Any:
    """Room left of a share that must be reached: of the misses allowed, those not used [-].

    Source: definition.

    Examples
    --------
    >>> round(share_slack_of(0.9, 0.95), 9)
    0.5
    """
    return (value - limit) / (1 - limit)


def need_at_load(instances: Any, utilization: Any, max_utilization: Any) -> Any:
    """Fractional instances where load alone binds: those bought, times load over its limit [-].

    Source: utilisation is inverse to the number of instances.

    Examples
    --------
    >>> need_at_load(2, 0.375, 0.5)
    1.5
    """
    return instances * utilization / max_utilization


def ratio_of(first: Any, second: Any) -> Any:
    """One over the other [-].

    Source: definition.

    Examples
    --------
    >>> ratio_of(3.0, 2.0)
    1.5
    """
    return first / second


def carried_share(prefill_need: Any, decode_need: Any, prefill_instances: Any, decode_instances: Any) -> Any:
    """Share of the demand that whole instances carry, at most 1 [-].

    Source: Li, Li, Gong, Zhang 2026, arXiv 2603.04716, equations 5 and 6.

    Examples
    --------
    >>> round(carried_share(3.0, 2.0, 3, 1), 9)
    0.5
    """
    return PdCounts(prefill_need, decode_need).carried_fraction(prefill_instances, decode_instances)


def shortfall(carried: Any, asked: Any) -> Any:
    """Share of the demand that is not carried [-].

    Source: definition.

    Examples
    --------
    >>> round(shortfall(4.8e6, 5e6), 9)
    0.04
    """
    return 1 - carried / asked


def prefill_count(
    total_tokens_per_s: Any, prompt_tokens: Any, output_tokens: Any, prefill_tokens_per_s: Any
) -> Any:
    """Fractional prefill instances, the first of `pd_counts` [-].

    Source: Li, Li, Gong, Zhang 2026, arXiv 2603.04716, equation 5.

    Examples
    --------
    >>> round(prefill_count(5e6 / 60, 6144, 512, 25075), 2)
    3.07
    """
    return pd_counts(total_tokens_per_s, prompt_tokens, output_tokens, prefill_tokens_per_s, 1).prefill


def decode_count(
    total_tokens_per_s: Any, prompt_tokens: Any, output_tokens: Any, decode_tokens_per_s: Any
) -> Any:
    """Fractional decode instances, the second of `pd_counts` [-].

    Source: Li, Li, Gong, Zhang 2026, arXiv 2603.04716, equation 6.

    Examples
    --------
    >>> round(decode_count(5e6 / 60, 6144, 512, 1690), 2)
    3.79
    """
    return pd_counts(total_tokens_per_s, prompt_tokens, output_tokens, 1, decode_tokens_per_s).decode


def carried_tokens_per_s(total_tokens_per_s: Any, carried_share: Any) -> Any:
    """Tokens per second that a fleet carries of those asked [tok/s].

    Source: definition.

    Examples
    --------
    >>> carried_tokens_per_s(100.0, 0.96)
    96.0
    """
    return total_tokens_per_s * carried_share


def product_of(first: Any, second: Any) -> Any:
    """One times the other.

    Source: definition.

    Examples
    --------
    >>> product_of(0.25, 0.2)
    0.05
    """
    return first * second


def growth_of(after: Any, before: Any) -> Any:
    """Relative change [-].

    Source: definition.

    Examples
    --------
    >>> growth_of(3.0, 2.0)
    0.5
    """
    return after / before - 1
