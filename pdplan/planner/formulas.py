"""The planner's own small expressions, traced by `explain` like every other formula."""

from __future__ import annotations

from typing import Any

from pdplan.latency.fitted import affine_decode_s
from pdplan.serving.economics import disagg_ttft_penalty, effective_transfer
from pdplan.serving.pd_sizing import PdCounts, pd_counts
from pdplan.serving.piecewise import larger


def sum_of_parts_s(**parts_s: Any) -> Any:
    """Mean TTFT: the sum of its parts [s].

    Source: linearity of the mean.

    Examples
    --------
    >>> sum_of_parts_s(queue=0.1, prefill=0.25)
    0.35
    """
    first, *rest = parts_s.values()
    for part in rest:
        first = first + part
    return first


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
    return 1_000_000 * usd_per_hour / (3600 * arrival_rate * mean_tokens)


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


def gpus_of(instances: Any, gpus_each: Any) -> Any:
    """GPUs of one pool [-].

    Source: count.

    Examples
    --------
    >>> gpus_of(3, 4)
    12
    """
    return instances * gpus_each


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


def tokens_pace_s(mean_itl_s: Any, tokens_per_step: Any) -> Any:
    """Mean time per output token of steps that yield so many tokens each [s].

    Source: definition of TPOT.

    Examples
    --------
    >>> tokens_pace_s(0.03, 1.5)
    0.02
    """
    return mean_itl_s / tokens_per_step


def delayed_pace_s(mean_itl_s: Any, tokens_per_step: Any, added_s: Any) -> Any:
    """Mean time per output token with what lies between the first and the second token spread over it [s].

    Source: definition of TPOT, with the first token from prefill.

    Examples
    --------
    >>> delayed_pace_s(0.02, 1.0, 0.005)
    0.025
    """
    return mean_itl_s / tokens_per_step + added_s


def mean_e2e_s(ttft_s: Any, mean_output_tokens: Any, tpot_s: Any) -> Any:
    """Mean end-to-end latency: the first token, then one TPOT for each further token [s].

    Source: definition of TPOT.

    Examples
    --------
    >>> round(mean_e2e_s(0.5, 101, 0.02), 9)
    2.5
    """
    return ttft_s + (mean_output_tokens - 1) * tpot_s


def execution_s(mean_output_tokens: Any, tpot_s: Any) -> Any:
    """Mean time of decoding all tokens after the first [s].

    Source: definition of TPOT.

    Examples
    --------
    >>> execution_s(101, 0.02)
    2.0
    """
    return (mean_output_tokens - 1) * tpot_s


def mean_admission_s(wait_probability: Any, mean_if_waiting_s: Any) -> Any:
    """Mean wait for a place in the decode batch [s].

    Source: total probability; those that find the batch full wait.

    Examples
    --------
    >>> mean_admission_s(0.5, 0.5)
    0.25
    """
    return wait_probability * mean_if_waiting_s


def companions_wait_s(passed: Any, companions: Any, mean_transfer_s: Any) -> Any:
    """Mean wait for the prompts of one's own prefill step: those that go first, each a transfer [s].

    Source: symmetry; half of them go first where they leave one by one, all where they share the link.

    Examples
    --------
    >>> companions_wait_s(0.5, 1.0, 0.1)
    0.05
    """
    return passed * companions * mean_transfer_s


def share_of_nics_bytes_per_s(nics: Any, nic_bytes_per_s: Any, gpus: Any, node_gpus: Any) -> Any:
    """Bandwidth of an instance that has g of the G GPUs of a node, and their share of its NICs [B/s].

    Source: count.

    Examples
    --------
    >>> share_of_nics_bytes_per_s(8, 50e9, 4, 8)
    200000000000.0
    """
    return nics * nic_bytes_per_s * gpus / node_gpus


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


def pool_usd_per_hour(instances: Any, usd_per_hour_each: Any) -> Any:
    """Price of one pool [USD/h].

    Source: catalog prices per GPU-hour, or the scenario's own.

    Examples
    --------
    >>> pool_usd_per_hour(3, 2.5)
    7.5
    """
    return instances * usd_per_hour_each


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


def chunk_worth_curing_s(min_itl_gain: Any, decode_step_s: Any) -> Any:
    """Chunk that makes a step slower by just the gain worth curing [s].

    Source: (t + c)/t = g solved for c.

    Examples
    --------
    >>> chunk_worth_curing_s(1.5, 0.01)
    0.005
    """
    return (min_itl_gain - 1) * decode_step_s


def weights_each_bytes(weights_bytes: Any, tensor_degree: Any, pipeline_degree: Any) -> Any:
    """Weights of each GPU of an instance that splits them evenly [B].

    Source: count.

    Examples
    --------
    >>> weights_each_bytes(140e9, 2, 2)
    35000000000.0
    """
    return weights_bytes / (tensor_degree * pipeline_degree)


def visible_penalty(payload_bytes: Any, link_bytes_per_s: Any, prefill_s: Any, overlap_fraction: Any) -> Any:
    """Transfer that prefill does not hide, over prefill [-].

    Source: Patel et al. 2024 (Splitwise, ISCA, arXiv 2311.18677): layer-wise KV transfer during prefill.

    Examples
    --------
    >>> round(visible_penalty(268435456, 25e9 / 8, 0.205, 0.369), 3)
    0.05
    """
    transfer_s = payload_bytes / link_bytes_per_s
    return disagg_ttft_penalty(effective_transfer(transfer_s, prefill_s, overlap_fraction), prefill_s)


def tpot_of_batch_s(
    batch: Any, mean_context_tokens: Any, fixed_s: Any, per_sequence_s: Any, per_context_token_s: Any
) -> Any:
    """TPOT of a batch whose requests have contexts of this mean [s].

    Source: DistServe (Zhong et al., OSDI 2024), appendix A, and its simulator.

    Examples
    --------
    >>> round(tpot_of_batch_s(8, 512, 19.9347e-3, 0.0385070e-3, 0.000626936e-3) * 1e3, 2)
    22.81
    """
    return affine_decode_s(fixed_s, per_sequence_s, per_context_token_s, batch, batch * mean_context_tokens)


def growth_of(after: Any, before: Any) -> Any:
    """Relative change [-].

    Source: definition.

    Examples
    --------
    >>> growth_of(3.0, 2.0)
    0.5
    """
    return after / before - 1
