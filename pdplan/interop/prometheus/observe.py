"""`observe`: ask a Prometheus server for a window of vLLM's or SGLang's metrics and rebuild the traffic."""

from __future__ import annotations

from dataclasses import replace

from pdplan.errors import InputError, did_you_mean
from pdplan.interop.prometheus.arrivals import Served, served_requests
from pdplan.interop.prometheus.bucket_law import BucketLaw, bucket_law
from pdplan.interop.prometheus.buckets import Histogram
from pdplan.interop.prometheus.client import PrometheusClient
from pdplan.interop.prometheus.names import ENGINES, EngineMetrics
from pdplan.interop.prometheus.observation import Observation
from pdplan.interop.prometheus.window import Window, selector_text

#: Fewer requests than this say nothing about a law of lengths.
LEAST_REQUESTS = 100
#: Samples that are not yet written when a question arrives are left out: both ends see the same ones.
_SETTLE_S = 2.0
_SINGLE_SHARE = 0.3
_ROLE = "engine_type"
_SPLIT_NOTE = "prefill and decode engines both count a request: it is read from the decode engines alone"


def observe(
    client: PrometheusClient,
    window_s: float,
    *,
    engine: str = "auto",
    selector: str = "",
    end_s: float | None = None,
) -> Observation:
    """Return what the server saw in the window before now.

    Parameters
    ----------
    client : PrometheusClient
        The server.
    window_s : float
        Window [s].
    engine : str
        ``vllm``, ``sglang``, or ``auto`` for the one that has metrics.
    selector : str
        Label matchers of PromQL, such as ``model_name="x",namespace="y"``.
    end_s : float, optional
        End of the window on the server's clock [s]; now, unless given.

    Raises
    ------
    InputError
        No such server or metrics, both engines at once, fewer than 100 requests, fewer than three samples,
        histograms that contradict themselves.
    """
    if not window_s > 0:
        raise InputError(f"--window is {window_s:g} s: it must be greater than 0, such as 1h")
    if engine not in ("auto", *ENGINES):
        raise InputError(
            f"--engine is {engine!r}{did_you_mean(engine, ENGINES)}: one of auto, {', '.join(ENGINES)}"
        )
    window = Window(
        client, client.now_s() - _SETTLE_S if end_s is None else end_s, window_s, selector_text(selector)
    )
    metrics = _engine(window, engine)
    split = {"prefill", "decode"} <= set(window.values(_ROLE, metrics.served))
    # in a disaggregated SGLang both engines count a request; its whole answer passes through decode
    everyone, window = window, window.narrowed(f'{_ROLE}="decode"') if split else window
    served = served_requests(window, metrics)
    if served.requests < LEAST_REQUESTS:
        raise InputError(
            f"{served.requests:.0f} requests in the last {window_s:g} s are too few to rebuild a workload: "
            f"at least {LEAST_REQUESTS} are needed; ask for a longer --window"
        )
    if served.restarts:
        window, everyone = window.through_restarts(), everyone.through_restarts()
    # prompts are looked up where they are prefilled
    cache = everyone.narrowed(f'{_ROLE}="prefill"') if split else window
    seen = _assemble(window, metrics, served, _prefix_hit(cache, metrics))
    return replace(seen, notes=(*seen.notes, _SPLIT_NOTE)) if split else seen


def _assemble(window: Window, metrics: EngineMetrics, served: Served, hit: float | None) -> Observation:
    names = {"requests": served.name}
    prompt = _lengths(window, metrics, metrics.prompt, "prompt")
    output = _lengths(window, metrics, metrics.output, "output")
    names |= {"prompt_tokens": prompt.histogram.name, "output_tokens": output.histogram.name}
    single = _single_tokens(output.histogram)
    latencies = {}
    for metric, candidates in metrics.latencies().items():
        # SGLang enters the whole answer as the TTFT of a request that was not streamed
        extra = 'is_streaming!="false"' if metric == "ttft" and metrics.name == "sglang" else ""
        found = window.histogram(candidates, extra)
        if found is None:
            continue
        if metric == "tpot" and metrics.tpot_counts_single_tokens:
            found = found.without_zeros(single or 0.0)
        if found.count > 0:
            latencies[metric] = bucket_law(found, least=0.0, whole_numbers=False)
            names[metric] = found.name
    notes = [
        *served.notes,
        *_length_notes(prompt, output, single),
        *_latency_notes(metrics, latencies, single),
    ]
    return Observation(
        engine=metrics.name,
        source=window.client.url + (f" {{{window.selector}}}" if window.selector else ""),
        asked_s=window.length_s,
        span_s=served.span_s,
        scrape_s=served.scrape_s,
        targets=served.targets,
        restarts=served.restarts,
        requests=served.requests,
        arrivals=served.arrivals,
        rates=served.rates,
        prompt=prompt,
        output=output,
        latencies=latencies,
        prefix_hit=hit,
        names=names,
        notes=tuple(notes),
    )


def _engine(window: Window, asked: str) -> EngineMetrics:
    """Return the engine whose counters the server has."""
    tried = list(ENGINES.values()) if asked == "auto" else [ENGINES[asked]]
    there = [m for m in tried if any(window.has(name) for name in m.served)]
    if len(there) == 1:
        return there[0]
    if there:
        raise InputError(
            "the server has metrics of vLLM and of SGLang: choose one with --engine, or narrow --selector"
        )
    looked = ", ".join(name for m in tried for name in m.served)
    if window.selector and any(window.everywhere().has(name) for m in tried for name in m.served):
        seen = (
            ", ".join(window.everywhere().values("model_name", [n for m in tried for n in m.served]))
            or "none"
        )
        raise InputError(
            f"no series match --selector {window.selector} in the window; values of model_name there: {seen}"
        )
    raise InputError(
        f"Prometheus at {window.client.url} has none of these in the last {window.length_s:g} s: {looked}; "
        + "; ".join(m.remedy for m in tried)
    )


def _lengths(window: Window, metrics: EngineMetrics, candidates: tuple[str, ...], what: str) -> BucketLaw:
    found = window.histogram(candidates)
    if found is None or not found.count > 0:
        raise InputError(
            f"no histogram of {what} lengths in the window ({', '.join(candidates)}): {metrics.remedy}"
        )
    most = None
    if metrics.token_edges_follow_1_2_5 and found.edges.size:
        most = _next_1_2_5(float(found.edges[-1])) - 1.0
    return bucket_law(found, least=1.0, whole_numbers=True, most=most)


def _next_1_2_5(edge: float) -> float:
    """Return the number after ``edge`` in 1, 2, 5, 10, 20, ...

    Examples
    --------
    >>> _next_1_2_5(100000.0), _next_1_2_5(20.0), _next_1_2_5(7.0)
    (200000.0, 50.0, 10.0)
    """
    step = 1.0
    while True:
        for mantissa in (1.0, 2.0, 5.0):
            if mantissa * step > edge:
                return mantissa * step
        step *= 10.0


def _single_tokens(output: Histogram) -> float | None:
    """Return how many requests had one output token; None where no bucket ends at 1."""
    return float(output.counts[0]) if output.edges.size and output.edges[0] == 1.0 else None


def _prefix_hit(window: Window, metrics: EngineMetrics) -> float | None:
    cached, looked_up = window.counter(metrics.cached), window.counter(metrics.looked_up)
    if cached is None and metrics.name == "sglang" and looked_up:
        return 0.0  # the counter appears with the first hit
    if cached is None or not looked_up:
        return None
    return min(cached / looked_up, 1.0)


def _length_notes(prompt: BucketLaw, output: BucketLaw, single: float | None) -> list[str]:
    notes = []
    for what, law in (("prompts", prompt), ("outputs", output)):
        if law.open_share > 0:
            notes.append(
                f"{law.open_share:.2%} of the {what} are longer than the last bucket "
                f"({law.histogram.edges[-1]:g} tokens): how long is known through the mean alone"
                if law.histogram.edges.size
                else f"the {what} have no bucket but one: only their mean is known"
            )
    if single is not None and single > _SINGLE_SHARE * output.count:
        notes.append(
            f"{single / output.count:.0%} of the outputs have one token: if prefill and decode instances are "
            "both scraped, each request is counted twice; choose the decode instances with --selector"
        )
    return notes


def _latency_notes(
    metrics: EngineMetrics, latencies: dict[str, BucketLaw], single: float | None
) -> list[str]:
    notes = []
    if "tpot" in latencies and metrics.tpot_counts_single_tokens:
        if single:
            notes.append(
                f"vLLM enters a TPOT of 0 for a request with one output token: {single:.0f} such entries "
                "were taken out"
            )
        elif single is None:
            notes.append("vLLM enters a TPOT of 0 for a request with one output token: these are still in")
    if metrics.name == "sglang":
        notes.append("SGLang has no TPOT of a request: ITL (gaps between tokens) stands for the pace")
    return notes
