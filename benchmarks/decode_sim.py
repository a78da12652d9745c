"""One decode instance, step by step: the witness of `pdplan.serving.StationaryBatch`.

Requests arrive as a Poisson stream, join at the end of the step under way (first come first served, at most
``cap`` of them), and each makes one step with all others: t = base + per_request n + per_token (sum of
contexts). Nothing is averaged and nothing is jumped over. numba if it is installed, plain Python otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

try:
    from numba import njit

    jit = njit(cache=True)
except ImportError:  # the same source, about 100 times slower

    def jit(function: Any) -> Any:
        return function


@jit
def run(arrive, first_context, steps, base, per_request, per_token, cap, warm, edges, kv_edges):
    n = arrive.size
    ring = int(steps.max()) + 2
    head = np.full(ring, -1, np.int64)  # requests by the step in which they finish
    following = np.full(n, -1, np.int64)
    seen = np.zeros(edges.size + 1, np.int64)  # tokens by step time
    kv_seen = np.zeros(kv_edges.size + 1)  # seconds by KV in use
    boundary = np.zeros(n)  # end of the step under way at the arrival
    admit = np.zeros(n)
    first_end = np.zeros(n)
    tpot = np.full(n, np.nan)
    running = 0
    context = 0.0
    now = 0.0
    step = 0
    i = 0
    j = 0
    tokens = 0
    token_time = 0.0
    kv_time = 0.0
    kv_time_2 = 0.0
    total_time = 0.0
    while i < n:
        if running == 0 and arrive[i] > now:
            now = arrive[i]
        while j < n and arrive[j] <= now:
            boundary[j] = now
            j += 1
        first = i
        while i < n and arrive[i] <= now and running < cap:
            running += 1
            context += first_context[i]
            slot = (step + int(steps[i])) % ring
            following[i] = head[slot]
            head[slot] = i
            admit[i] = now
            i += 1
        t = base + per_request * running + per_token * context
        step += 1
        now += t
        for k in range(first, i):
            first_end[k] = now
        if i > warm:
            seen[np.searchsorted(edges, t)] += running
            tokens += running
            token_time += t * running
            total_time += t
            kv_time += t * context
            kv_seen[np.searchsorted(kv_edges, context)] += t
            kv_time_2 += t * context * context
        context += running
        slot = step % ring
        k = head[slot]
        head[slot] = -1
        while k >= 0:
            running -= 1
            context -= first_context[k] + steps[k]
            if steps[k] > 1:
                tpot[k] = (now - first_end[k]) / (steps[k] - 1)
            k = following[k]
    kv = kv_time / total_time
    return seen, token_time / tokens, tpot, boundary, admit, kv, kv_time_2 / total_time - kv**2, kv_seen


@dataclass(frozen=True)
class Sample:
    """What the simulation saw after its warm-up."""

    seen: Any
    edges: Any
    mean_itl_s: float
    tpot_s: Any
    wait_s: Any  # from the step boundary after the arrival to the admission
    join_s: Any  # from the arrival to that boundary
    mean_kv: float
    var_kv: float
    kv_seen: Any
    kv_edges: Any

    def itl_quantile_s(self, p: float) -> float:
        return _quantile(self.seen, self.edges, p)

    def kv_quantile(self, p: float) -> float:
        return _quantile(self.kv_seen, self.kv_edges, p)


def _quantile(seen: Any, edges: Any, p: float) -> float:
    share = np.cumsum(seen) / seen.sum()
    k = int(np.searchsorted(share, p))
    below = share[k - 1] if k else 0.0
    low, high = edges[k - 1], edges[min(k, edges.size - 1)]
    return float(low + (high - low) * (p - below) / (share[k] - below))


def simulate(
    seed: int,
    requests: int,
    arrival_rate: float,
    first_context: Any,
    steps: Any,
    base: float,
    per_request: float,
    per_token: float,
    *,
    cap: int = 1 << 40,
    typical_step_s: float,
) -> Sample:
    rng = np.random.default_rng(seed)
    arrive = np.cumsum(rng.exponential(1 / arrival_rate, requests))
    edges = base + np.linspace(0.0, 12 * typical_step_s, 40001)
    warm = requests // 10
    steps = np.asarray(steps, float)
    first_context = np.asarray(first_context, float)
    typical_kv = arrival_rate * typical_step_s * float(steps @ (first_context + steps / 2)) / requests
    kv_edges = np.linspace(0.0, 8 * typical_kv, 20001)
    seen, mean, tpot, boundary, admit, kv, var_kv, kv_seen = run(
        arrive,
        first_context,
        steps,
        base,
        per_request,
        per_token,
        cap,
        warm,
        edges,
        kv_edges,
    )
    tpot = tpot[warm:]
    return Sample(
        seen,
        edges,
        mean,
        tpot[np.isfinite(tpot)],
        (admit - boundary)[warm:],
        (boundary - arrive)[warm:],
        kv,
        var_kv,
        kv_seen,
        kv_edges,
    )


def lognormal_lengths(
    seed: int, n: int, mean_in: float, scv_in: float, mean_out: float, scv_out: float, correlation: float
) -> tuple[Any, Any]:
    """Prompts and outputs, whole numbers >= 1, lognormal, the logarithms correlated."""
    rng = np.random.default_rng([seed, 1])
    z = rng.standard_normal((2, n))
    u = correlation * z[0] + np.sqrt(1 - correlation**2) * z[1]

    def draw(normal: Any, mean: float, scv: float) -> Any:
        sigma2 = np.log1p(scv)
        return np.maximum(1.0, np.round(np.exp(np.log(mean) - sigma2 / 2 + np.sqrt(sigma2) * normal)))

    return draw(z[0], mean_in, scv_in), draw(u, mean_out, scv_out)
