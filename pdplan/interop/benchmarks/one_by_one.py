"""A run whose requests are there one by one: its statistics come from them."""

from __future__ import annotations

from collections.abc import Sequence

from pdplan.errors import InputError
from pdplan.interop.benchmarks.values import counted, spread_of, tpot_of
from pdplan.latency.measured import ServedRequest, ServingRun


def run_of_requests(
    served: Sequence[ServedRequest],
    where: str,
    corrections: list[str],
    *,
    failed: int = 0,
    label: str = "",
    concurrency: float | None = None,
) -> ServingRun:
    """Return the run; requests with one output token have no TPOT, and are counted in a sentence.

    Without a concurrency the rate is that of the arrivals, as if the client did not wait for answers.

    Raises
    ------
    InputError
        No request was answered.
    """
    if not served:
        raise InputError(f"{where}: no request was answered ({failed} failed): nothing was measured")
    prefix = f"{label}: " if label else ""
    sent = [r.sent_s for r in served if r.sent_s is not None]
    known = len(sent) == len(served)
    duration = max((r.sent_s or 0.0) + r.e2e_s for r in served) if known else None
    rate = None
    if known and concurrency is None and len(sent) > 1 and max(sent) > 0:
        rate = (len(sent) - 1) / max(sent)
        corrections.append(
            f"{prefix}{rate:.4g} requests/s from the arrivals: the client is taken not to wait."
        )
    single = sum(r.output_tokens == 1 for r in served)
    if single:
        corrections.append(f"{prefix}{counted(single, 'request')} with one output token: no TPOT.")
    if failed:
        corrections.append(f"{prefix}{counted(failed, 'request')} failed: left out.")
    n = len(served)
    return ServingRun(
        requests=n,
        prompt_tokens=sum(r.prompt_tokens for r in served) / n,
        output_tokens=sum(r.output_tokens for r in served) / n,
        duration_s=duration,
        request_rate=rate,
        concurrency=concurrency,
        throughput=n / duration if duration else None,
        ttft=spread_of(r.ttft_s for r in served),
        tpot=tpot_of(served),
        e2e=spread_of(r.e2e_s for r in served),
        served=tuple(served),
        failed=failed,
        label=label,
    )


def served_request(
    sent_s: float | None, prompt_tokens: float, output_tokens: float, ttft_s: float, e2e_s: float, where: str
) -> ServedRequest:
    """Return one request whose numbers hang together.

    Raises
    ------
    InputError
        Tokens that are no whole numbers, no output token, or a first token after the last.
    """
    for name, tokens, least in (("prompt", prompt_tokens, 0), ("output", output_tokens, 1)):
        if tokens != int(tokens) or tokens < least:
            raise InputError(
                f"{where}: {tokens:g} {name} tokens: it must be a whole number of at least {least}"
            )
    if ttft_s > e2e_s * (1 + 1e-9) + 1e-9:
        raise InputError(f"{where}: the first token came at {ttft_s:g} s, after the last at {e2e_s:g} s")
    return ServedRequest(sent_s, int(prompt_tokens), int(output_tokens), ttft_s, max(e2e_s, ttft_s))


def from_start(served: Sequence[ServedRequest]) -> list[ServedRequest]:
    """Return the requests in order of sending, with times counted from the first."""
    begin = min((r.sent_s for r in served if r.sent_s is not None), default=0.0)
    moved = [
        ServedRequest(
            None if r.sent_s is None else r.sent_s - begin,
            r.prompt_tokens,
            r.output_tokens,
            r.ttft_s,
            r.e2e_s,
        )
        for r in served
    ]
    return sorted(moved, key=lambda r: r.sent_s or 0.0)
