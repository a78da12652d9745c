"""What was measured: steps and serving runs in SI, whatever tool wrote them (readers fill, fits read)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PrefillPoint:
    """One prefill step, timed.

    Parameters
    ----------
    prompt_tokens : float
        Prompt length [tok].
    seconds : float
        Time of the step [s]; where only TTFT was measured, TTFT of a request that met an idle engine.
    tp, pp : int
        Degrees of parallelism.
    batch : float
        Prompts in the step [-].
    cached_tokens : float
        Leading tokens of the prompt that were in the prefix cache [tok].
    repeats : int
        Measurements behind this mean [-].
    """

    prompt_tokens: float
    seconds: float
    tp: int = 1
    pp: int = 1
    batch: float = 1.0
    cached_tokens: float = 0.0
    repeats: int = 1


@dataclass(frozen=True, slots=True)
class DecodePoint:
    """One decode step, timed.

    Parameters
    ----------
    batch : float
        Sequences in the step [-].
    context_tokens : float or None
        Mean tokens of KV of one sequence [tok]; None where it was not said.
    seconds : float
        Time of the step [s].
    tp, pp : int
        Degrees of parallelism.
    repeats : int
        Measurements behind this mean [-].
    """

    batch: float
    context_tokens: float | None
    seconds: float
    tp: int = 1
    pp: int = 1
    repeats: int = 1


@dataclass(frozen=True, slots=True)
class TransferPoint:
    """One KV transfer from prefill to decode, timed.

    Parameters
    ----------
    payload_bytes : float
        KV that was moved [B].
    seconds : float
        Time of the transfer [s].
    prompt_tokens : float or None
        Prompt it belongs to [tok].
    """

    payload_bytes: float
    seconds: float
    prompt_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and percentiles of one latency over requests (ITL: over gaps) [s]; None where not reported."""

    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """One request of a run as its client saw it [s], [tok]; ``sent_s`` counts from the start of the run."""

    sent_s: float | None
    prompt_tokens: int
    output_tokens: int
    ttft_s: float
    e2e_s: float


@dataclass(frozen=True, slots=True)
class ServingRun:
    """One end-to-end benchmark: what was offered and what it took.

    Parameters
    ----------
    requests : int
        Requests answered [-]; 0 where the file does not say.
    prompt_tokens, output_tokens : float
        Mean lengths as measured [tok].
    duration_s : float or None
        From the first request sent to the last answered [s].
    request_rate : float or None
        Offered rate [1/s]; None where the client held its concurrency or sent all at once.
    concurrency : float or None
        Requests in flight that the client was told to hold [-]; None for an open benchmark. A run of fewer
        ``requests`` never held it.
    throughput : float or None
        Requests answered per second [1/s].
    ttft, tpot, itl, e2e : Spread
        In the definitions of docs/nomenclature.md; readers convert or leave out.
    served : tuple of ServedRequest
        The requests one by one, where the file has them.
    tp, pp : int or None
        Degrees of parallelism where the file says, and prefill and decode share them.
    prefill_instances, decode_instances : float or None
        Instances of each role in a disaggregated run [-]; None where colocated or not said.
    failed : int
        Requests that failed and are not in the statistics [-].
    label : str
        What tells this run from its neighbours.
    """

    requests: int
    prompt_tokens: float
    output_tokens: float
    duration_s: float | None = None
    request_rate: float | None = None
    concurrency: float | None = None
    throughput: float | None = None
    ttft: Spread = Spread()
    tpot: Spread = Spread()
    itl: Spread = Spread()
    e2e: Spread = Spread()
    served: tuple[ServedRequest, ...] = ()
    tp: int | None = None
    pp: int | None = None
    prefill_instances: float | None = None
    decode_instances: float | None = None
    failed: int = 0
    label: str = ""


@dataclass(frozen=True, slots=True)
class Measurements:
    """All that one file holds.

    Parameters
    ----------
    tool : str
        The program that wrote it, with its version where the file says.
    source : str
        The file.
    prefill, decode, runs : tuples
        Steps timed in isolation, and end-to-end runs.
    model, accelerator, engine : str or None
        As the file names them.
    kv_capacity_tokens : mapping of (tp, pp) to int
        KV tokens of one instance where they were measured.
    transfers : tuple of TransferPoint
        KV transfers timed in isolation.
    corrections : tuple of str
        What the reader converted, recomputed or left out, one sentence each.
    """

    tool: str
    source: str
    prefill: tuple[PrefillPoint, ...] = ()
    decode: tuple[DecodePoint, ...] = ()
    runs: tuple[ServingRun, ...] = ()
    model: str | None = None
    accelerator: str | None = None
    engine: str | None = None
    kv_capacity_tokens: dict[tuple[int, int], int] = field(default_factory=dict)
    corrections: tuple[str, ...] = ()
    transfers: tuple[TransferPoint, ...] = ()
