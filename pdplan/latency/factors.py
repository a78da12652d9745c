"""How far real kernels and engines stay below a device's peak: every factor by name, with its source.

The values were fixed from these sources before any accuracy table was computed (docs/validation/roofline.md);
none was fitted to the rows of that table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pdplan.checks import require_fraction, require_positive
from pdplan.errors import InputError
from pdplan.latency.shape import Device

#: The matrix rate at which `RooflineFactors` states its efficiencies: H100 SXM, bf16 dense [FLOP/s].
REFERENCE_FLOPS_PER_S = 989.4e12


@dataclass(frozen=True, slots=True)
class RooflineFactors:
    """Efficiencies [-] and overheads [s] of a present-day engine (vLLM, SGLang, TensorRT-LLM of 2025-26).

    compute_efficiency : 0.71
        Share of the dense peak that the matrix multiplications of a layer reach at 989 TFLOP/s: 0.803 for
        the best shape on H100 (maximum achievable matmul FLOPS, github.com/stas00/ml-engineering, 2026-08)
        x 0.88 for the mean over the shapes of a layer (0.83 in DeepGEMM's first table on H800, M = 4096;
        0.945 in LLMServingSim's vLLM 0.19 layer times of Llama-3.1-8B on RTX PRO 6000, 2048 tokens).
    compute_efficiency_per_decade : -0.115
        Change per tenfold matrix rate: 0.869 at 312 TFLOP/s (A100), 0.803 at 989 (H100), 0.776 at 2250
        (B200), 0.73-0.76 in fp8 at 1979-4500 (same table), x 0.88.
    attention_efficiency : 0.62
        The same for prefill attention: FlashAttention-3, causal, head dimension 128, 8k and 16k tokens, H100:
        614 and 621 TFLOP/s (pytorch/benchmark #2391).
    attention_efficiency_per_decade : -0.25
        FlashAttention-2 on A100 0.70 (Dao-AILab/flash-attention #1059), FlashMLA and FlashAttention-3 on H20
        (148 TFLOP/s) 0.73-0.88 (FlashMLA #30, flash-attention #1310).
    memory_efficiency : 0.80
        Share of the HBM peak when weights or KV stream through a kernel: 0.79 for the projections of
        Llama-3.1-8B at one token, 0.75-0.85 for paged KV beyond 2k tokens (LLMServingSim's tables, RTX PRO
        6000); 0.50-0.80 in DeepGEMM at M = 64; 0.90 above 100 MB in Calculon (Isaev et al. 2023).
    scale_up_efficiency : 0.80
        All-reduce bus bandwidth over the unidirectional NVLink rate: 235 of 300 GB/s on A100, 363 of 450 on
        H200 with rings (ml-engineering, network chapter).
    all_reduce_latency_s : 10 us
        Start-up of one intra-node all-reduce (Calculon, systems/a100_80g.json).
    kernel_floor_s : 2.5 us
        Shortest time of a small kernel inside a CUDA graph: 2.4-2.7 us for norm, rotary embedding and
        activation at one token (LLMServingSim's tables).
    layer_launch_s : 260 us
        Host time to launch one layer without a CUDA graph, as prefill runs: 8.4 ms for the 32 layers of
        Llama-3.1-8B on H100 (Spheron 2026). Launches run ahead, so a step takes the longer of the two.
    step_overhead_s : 0.5 ms
        Host time between two steps that is not hidden: 0.54 ms amortised in the engine loop of vLLM 0.27
        (simllm #204); measured steps minus kernel times of vLLM 0.19 (LLMServingSim) leave 0-2 ms.
    sequence_overhead_s : 12.7 us
        Scheduler and sampler time per running sequence and step (simllm #204).
    request_overhead_s : 6 ms
        HTTP, parsing and scheduling of one request before its prefill at concurrency 1, vLLM 0.19: 7, 15, 47
        and 131 ms at 1k, 8k, 32k and 100k prompt tokens, that is 6 ms + 1.3 us a token (andyluo7, "CPU-GPU
        co-design", 2026-05).
    request_token_s : 1.3 us
        The slope of the same four points, mostly tokenisation.
    expert_imbalance : 1.25
        With ``ep`` > 1: tokens of the GPU whose experts are asked most, over the mean. SGLang with EP32, 32
        redundant experts and placement by their load serves 50,302 tokens/s a node, 59,337 with balance
        forced (LMSYS, "Large-scale EP", 2025-05): a step 1.18 times as long, of which experts and exchange
        make some 70%. Without such placement prefill is 1.49 times slower, decode 2.54 (same source).
    nic_efficiency : 0.80
        Bytes of dispatch and combine over the NIC's rate: 39-40 of 50 GB/s at EP128 and EP256 (DeepEP V1,
        low-latency kernels, ConnectX-7). Within a node `scale_up_efficiency` holds: 153-158 of 200 GB/s.
    all_to_all_latency_s : 20 us
        Start-up of one dispatch or combine: 34-36 us beyond its bytes at EP8, 3-5 us at EP128 (same tables).
    all_to_all_overlap : 0.6
        Share of the shorter of exchange and computing that two-batch overlap hides: 27-35% more prefill and
        25.5% more decode at 256 tokens a GPU (LMSYS 2025-05) are 20-26% of the step without it, of which the
        exchange makes about 40%. None up to ``overlap_from_tokens`` = 64 a GPU and step, all of it from
        ``overlap_full_tokens`` = 256: "a threshold between 64 and 128", -27% at 32 (same source).
    rank_context_scv : 1.0
        Squared coefficient of variation of the contexts that attention ranks hold: prompts of published
        traces have 0.9 to 1.7 (Azure 2023, Mooncake); 0 where a benchmark's requests are all alike.
    """

    compute_efficiency: float = 0.71
    compute_efficiency_per_decade: float = -0.115
    attention_efficiency: float = 0.62
    attention_efficiency_per_decade: float = -0.25
    memory_efficiency: float = 0.80
    scale_up_efficiency: float = 0.80
    all_reduce_latency_s: float = 10e-6
    kernel_floor_s: float = 2.5e-6
    layer_launch_s: float = 260e-6
    step_overhead_s: float = 0.5e-3
    sequence_overhead_s: float = 12.7e-6
    request_overhead_s: float = 6e-3
    request_token_s: float = 1.3e-6
    expert_imbalance: float = 1.25
    nic_efficiency: float = 0.80
    all_to_all_latency_s: float = 20e-6
    all_to_all_overlap: float = 0.6
    overlap_from_tokens: float = 64.0
    overlap_full_tokens: float = 256.0
    rank_context_scv: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in (
            "compute_efficiency",
            "attention_efficiency",
            "memory_efficiency",
            "scale_up_efficiency",
            "nic_efficiency",
        ):
            require_fraction(name, getattr(self, name), open_low=True)
        for name in (
            "all_reduce_latency_s",
            "kernel_floor_s",
            "layer_launch_s",
            "step_overhead_s",
            "sequence_overhead_s",
            "request_overhead_s",
            "request_token_s",
            "all_to_all_latency_s",
        ):
            require_positive(name, getattr(self, name), "s", zero_ok=True)
        require_fraction("all_to_all_overlap", self.all_to_all_overlap)
        require_positive("rank_context_scv", self.rank_context_scv, zero_ok=True)
        if not self.expert_imbalance >= 1:
            raise InputError(
                f"expert_imbalance is {self.expert_imbalance:g}: the fullest GPU has at least the mean, 1"
            )
        if not 0 <= self.overlap_from_tokens < self.overlap_full_tokens:
            raise InputError(
                f"overlap_from_tokens is {self.overlap_from_tokens:g}: "
                f"it must lie below overlap_full_tokens, {self.overlap_full_tokens:g}"
            )


def efficiency_at(flops_per_s: float, at_reference: float, per_decade: float) -> float:
    """Share of peak that kernels reach on a device of matrix rate ``flops_per_s`` [-].

    ``at_reference + per_decade log10(flops_per_s / 989.4e12)``, held within [0.2, 0.95]: the faster the
    matrix units, the larger the share of time spent feeding them.

    Source: straight line through the measurements listed at `RooflineFactors`; good to about 0.05.

    Examples
    --------
    >>> round(efficiency_at(989.4e12, 0.71, -0.115), 3), round(efficiency_at(148e12, 0.71, -0.115), 3)
    (0.71, 0.805)
    """
    require_positive("flops_per_s", flops_per_s, "FLOP/s")
    line = at_reference + per_decade * math.log10(flops_per_s / REFERENCE_FLOPS_PER_S)
    return min(max(line, 0.2), 0.95)


#: What a matrix multiplication runs in when the device lacks the dtype of the weights.
_COMPUTE_DTYPE = {"mxfp4": ("fp4",), "fp4": ("fp4",), "int4": (), "fp8": ("fp8",), "int8": ("int8",)}


def matrix_flops_per_s(device: Device, dtype: str) -> float:
    """Peak matrix rate for weights of ``dtype`` [FLOP/s].

    Where the device has no unit for it (fp8 on A100, 4-bit on Hopper), weights are widened on the fly and
    the multiplication runs at the 16-bit rate.

    Examples
    --------
    >>> a100 = Device({"bf16": 312e12}, 80e9, 2.0e12, 300e9)
    >>> matrix_flops_per_s(a100, "fp8") / 1e12
    312.0
    """
    rates = device.flops_per_s
    for name in (*_COMPUTE_DTYPE.get(dtype, (dtype,)), "bf16", "fp16"):
        if name in rates:
            return rates[name]
    return max(rates.values())
