"""From a cluster config to instances with step times and memory, and a trace served on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from pdplan.errors import InfeasibleError, InputError, PdplanError, did_you_mean
from pdplan.interop.llmservingsim_config import ClusterConfig, InstanceConfig
from pdplan.interop.llmservingsim_dataset import RequestTrace
from pdplan.latency import LatencyModel, Roofline, load_profile, memory_fit
from pdplan.latency.memory import MemoryFit
from pdplan.latency.parameters import bytes_per_value, kv_bytes_per_token
from pdplan.sim.cluster import ClusterRun, Interval, KvWire, ServingInstance
from pdplan.sim.pool_sim import simulate_cluster
from pdplan.spec import Accelerator, ModelSpec, catalog_names, catalog_path, load_accelerator, load_model

#: --dtype as LLMServingSim and vLLM spell it -> the catalog's name
DTYPES: Final = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32", "fp8": "fp8", "int8": "int8"}

#: A measured profile stands for a config whose memory bandwidth is at most this far from the catalog's:
#: editions of one card differ by so much (RTX PRO 6000 workstation 1792 GB/s, server 1597 GB/s).
SAME_HARDWARE: Final = 0.15

#: Tokens of one KV block [tok]; engines use 16 to 784 (hybrid models).
LARGEST_BLOCK: Final = 4096


@dataclass(frozen=True, slots=True)
class ClusterFleet:
    """Instances ready to be simulated; of each, the memory of one GPU and the source of its step times."""

    config: ClusterConfig
    model: ModelSpec
    instances: tuple[ServingInstance, ...]
    memory: tuple[MemoryFit, ...]
    step_sources: tuple[str, ...]
    wire: KvWire | None
    block_tokens: int

    def memory_bytes(self, kv_tokens: tuple[int, ...]) -> tuple[float, ...]:
        """Memory in use on one GPU of each instance: weights and KV blocks [B]."""
        return tuple(
            fit.weights_bytes + tokens * fit.kv_bytes_per_token_per_gpu
            for fit, tokens in zip(self.memory, kv_tokens, strict=True)
        )


def build_fleet(config: ClusterConfig, *, dtype: str | None = None, block_tokens: int = 16) -> ClusterFleet:
    """Give each instance its step times and its KV memory.

    Step times are a measured profile of the catalog where there is one of this model, accelerator, TP and
    width of weights, and the memory bandwidth of the config is within 15% of the catalog's; otherwise the
    roofline, with the memory and bandwidth of the config.

    Parameters
    ----------
    config : ClusterConfig
    dtype : str, optional
        Of weights and KV: float16, bfloat16, float32, fp8, int8. Default: as the model was released, with KV
        in bf16.
    block_tokens : int
        Tokens of one KV block [tok].

    Raises
    ------
    InputError
        Unknown model, accelerator or dtype, several models, or no link between prefill and decode.
    InfeasibleError
        The weights leave no room for KV.
    """
    if dtype is not None and dtype not in DTYPES:
        hint = did_you_mean(dtype, DTYPES) or f": it must be one of {', '.join(DTYPES)}"
        raise InputError(f"--dtype is {dtype!r}{hint}")
    if not 1 <= block_tokens <= LARGEST_BLOCK:
        raise InputError(f"--block-size is {block_tokens}: it must lie between 1 and {LARGEST_BLOCK} tokens")
    first = config.instances[0]
    with _blaming(first):
        model = load_model(first.model_name)
    weights = DTYPES[dtype] if dtype else str(model.weights_dtype)
    kv = DTYPES[dtype] if dtype else "bf16"
    instances, ledgers, sources = [], [], []
    for entry in config.instances:
        with _blaming(entry):
            if load_model(entry.model_name).name != model.name:
                raise InputError(
                    f"model_name is {entry.model_name!r} and the first instance serves {first.model_name!r}: "
                    "a cluster serves one model"
                )
            accelerator = load_accelerator(entry.hardware)
            ledger = _memory(entry, accelerator, model, weights, kv, block_tokens)
            latency, source = _steps(entry, accelerator, model, weights, kv)
        instances.append(
            ServingInstance(
                entry.role, latency, ledger.kv_capacity_tokens, entry.max_sequences, entry.max_step_tokens
            )
        )
        ledgers.append(ledger)
        sources.append(source)
    return ClusterFleet(
        config,
        model,
        tuple(instances),
        tuple(ledgers),
        tuple(sources),
        _wire(config, kv_bytes_per_token(model.shape, kv)),
        block_tokens,
    )


def serve_trace(
    fleet: ClusterFleet,
    trace: RequestTrace,
    *,
    interval_s: float | None = None,
    on_interval: Callable[[Interval], None] | None = None,
) -> ClusterRun:
    """Serve a trace on a fleet, step by step.

    Raises
    ------
    InputError
        A request that no instance can hold, with file and line; or a log interval that cannot be.
    """
    entry_room = min(i.kv_capacity_tokens for i in fleet.instances if i.role != "decode")
    exit_room = min(i.kv_capacity_tokens for i in fleet.instances if i.role != "prefill")
    for prompt, output, line in zip(trace.prompt_tokens, trace.output_tokens, trace.lines, strict=True):
        if prompt > entry_room or prompt + output > exit_room:
            raise InputError(
                f"{trace.source}:{line}: {prompt} prompt and {output} output tokens, and an instance holds "
                f"the KV of {min(entry_room, exit_room)}: shorten the request, or raise npu_mem.mem_size"
            )
    return simulate_cluster(
        [t / 1e9 for t in trace.arrival_ns],
        trace.prompt_tokens,
        trace.output_tokens,
        fleet.instances,
        fleet.wire,
        block_tokens=fleet.block_tokens,
        interval_s=interval_s,
        on_interval=on_interval,
    )


@contextmanager
def _blaming(entry: InstanceConfig) -> Iterator[None]:
    """Put file and line of the instance before what goes wrong with it."""
    try:
        yield
    except InfeasibleError as error:
        raise InfeasibleError(f"{entry.where}: {error}") from None
    except PdplanError as error:
        raise InputError(f"{entry.where}: {error}") from None


def _memory(
    entry: InstanceConfig,
    accelerator: Accelerator,
    model: ModelSpec,
    weights: str,
    kv: str,
    block_tokens: int,
) -> MemoryFit:
    """Lay weights and KV into the memory of one GPU."""
    return memory_fit(
        model.shape,
        entry.memory_bytes or accelerator.memory_bytes,
        entry.tp,
        weights_dtype=weights,
        kv_dtype=kv,
        fraction=entry.memory_fraction,
        block_tokens=block_tokens,
    )


def _steps(
    entry: InstanceConfig, accelerator: Accelerator, model: ModelSpec, weights: str, kv: str
) -> tuple[LatencyModel, str]:
    """Return the step times of an instance and where they come from."""
    bandwidth = entry.memory_bytes_per_s or accelerator.memory_bytes_per_s
    if abs(bandwidth / accelerator.memory_bytes_per_s - 1) <= SAME_HARDWARE:
        for name in catalog_names("latency"):
            profile = load_profile(catalog_path("latency", name))
            if (
                (profile.model_name, profile.accelerator) == (model.name, accelerator.name)
                and (entry.tp, 1) in profile.variants
                and bytes_per_value(profile.weights_dtype) == bytes_per_value(weights)
                and bytes_per_value(profile.kv_dtype) == bytes_per_value(kv)
            ):
                return profile.engine_model(entry.tp), f"profile {name}, TP {entry.tp}"
    device = replace(
        accelerator.device,
        memory_bytes=entry.memory_bytes or accelerator.memory_bytes,
        memory_bytes_per_s=bandwidth,
    )
    roofline = Roofline(model.shape, device, tp=entry.tp, weights_dtype=weights, kv_dtype=kv)
    shown = f"roofline of {accelerator.name} at {bandwidth / 1e9:g} GB/s, TP {entry.tp}"
    return roofline, f"{shown}: no measured profile of {model.name}"


def _wire(config: ClusterConfig, token_bytes: float) -> KvWire | None:
    """Return the link between prefill and decode, where KV is handed over."""
    if all(i.role == "combined" for i in config.instances):
        return None
    if config.link_bytes_per_s is None:
        raise InputError(f"{config.source}: link_bw is missing: KV is handed over, so give its GB/s")
    return KvWire(config.link_bytes_per_s, config.link_latency_s, token_bytes)
