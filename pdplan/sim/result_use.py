"""How the instances of a run were used, from the sums that the engine keeps."""

from __future__ import annotations

import math

import numpy as np

from pdplan.sim.config import ColocatedConfig, PdConfig
from pdplan.sim.measured import weighted_quantile
from pdplan.sim.raw import RawRun
from pdplan.sim.result_parts import PoolUse

_BATCH_QUANTILES = (0.5, 0.9, 0.99)


def prefill_use(raw: RawRun, config: PdConfig | ColocatedConfig | None) -> PoolUse | None:
    """Return the use of the prefill pool up to its last work, of its links up to the last KV."""
    use = raw.prefill
    if use is None:
        return None
    served = raw.completed
    done = raw.arrival_s + raw.queue_s + raw.prefill_s
    last = float(done[served].max(initial=raw.from_s))
    after = float((done + raw.transfer_s + raw.admission_s)[served].max(initial=raw.from_s))
    span, link_span = max(last - raw.from_s, 1e-300), max(after - raw.from_s, 1e-300)
    steps = float(use.steps.sum())
    count = float(served[raw.arrival_s >= raw.from_s].sum())
    capacity = config.prefill.kv_capacity_tokens if isinstance(config, PdConfig) else math.inf
    return PoolUse(
        busy=_shares(use.busy_s, span),
        link=_shares(use.link_busy_s, link_span),
        mean_batch=count / steps if steps else 0.0,
        batch_quantiles={},
        batch_full=0.0,
        kv_mean_tokens=float(use.kv_token_s.mean()) / link_span,
        kv_peak_tokens=float(use.kv_peak_tokens.max()),
        kv_capacity_tokens=capacity if math.isfinite(capacity) else None,
        rejected=int(use.rejected.sum()),
        timed_out=int(use.timed_out.sum()),
    )


def decode_use(raw: RawRun, config: PdConfig | ColocatedConfig | None) -> PoolUse:
    """Return the use of the decode pool or the colocated fleet, up to the end of the run."""
    use = raw.decode
    span = max(raw.until_s - raw.from_s, 1e-300)
    busy = float(use.busy_s.sum())
    capacity = math.inf
    if isinstance(config, PdConfig):
        capacity = config.decode.memory.capacity_tokens
    elif config is not None:
        capacity = config.memory.capacity_tokens
    worked = float(raw.batch_s.sum()) > 0
    return PoolUse(
        busy=_shares(use.busy_s, span),
        link=(),
        mean_batch=float(use.batch_s.sum()) / busy if busy else 0.0,
        batch_quantiles={p: weighted_quantile(raw.batch_s, p) for p in _BATCH_QUANTILES} if worked else {},
        batch_full=full_share(raw, config),
        kv_mean_tokens=float(use.kv_token_s.mean()) / span,
        kv_peak_tokens=float(use.kv_peak_tokens.max()),
        kv_capacity_tokens=capacity if math.isfinite(capacity) else None,
        evictions=int(use.evictions.sum()),
    )


def full_share(raw: RawRun, config: PdConfig | ColocatedConfig | None) -> float:
    """Return the share of time that decode spends at the largest batch allowed [-]."""
    if config is None:
        return 0.0
    largest = config.decode.max_batch if isinstance(config, PdConfig) else config.max_batch
    total = float(raw.decode.busy_s.size * (raw.until_s - raw.from_s))
    if raw.batch_s.size <= largest or not total > 0:
        return 0.0
    return float(raw.batch_s[largest]) / total


def _shares(seconds: np.ndarray, span_s: float) -> tuple[float, ...]:
    return tuple(float(s) / span_s for s in seconds)
