"""A profile held against measurements: relative errors by kind of step and (tp, pp)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pdplan.latency.fitting.collect import Gathered
from pdplan.latency.fitting.points import Steps, decode_steps, prefill_steps
from pdplan.latency.fitting.validate import ErrorSummary
from pdplan.latency.interpolate import Array
from pdplan.latency.model import LatencyModel
from pdplan.latency.profile import LatencyProfile


@dataclass(frozen=True, slots=True)
class CheckRow:
    """Errors of one kind of step at one (tp, pp); ``bias`` is the median of predicted/measured - 1 [-].

    ``outside``: points beyond what the profile was made for [-]; their errors count too.
    """

    kind: str
    tp: int
    pp: int
    errors: ErrorSummary
    bias: float
    outside: int
    from_runs: bool

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        where = {"kind": self.kind, "tp": self.tp, "pp": self.pp}
        rest = {"bias": round(self.bias, 6), "outside_range": self.outside, "from_runs": self.from_runs}
        return where | self.errors.document() | rest


@dataclass(frozen=True, slots=True)
class Check:
    """The rows, the errors of all points together, and (tp, pp) that the profile does not have."""

    rows: tuple[CheckRow, ...]
    overall: dict[str, ErrorSummary]
    missing: tuple[tuple[int, int], ...]


def check_profile(profile: LatencyProfile, gathered: Gathered) -> Check:
    """Compare the step times of a profile with measured ones, operating point by operating point.

    Steps taken from end-to-end runs are compared with the request overhead (prefill) and the step factor
    (decode) that the profile has.

    Examples
    --------
    >>> from pdplan.latency.fitting.collect import gather
    >>> from pdplan.latency.measured import Measurements, PrefillPoint
    >>> profile = LatencyProfile.from_document({
    ...     "name": "mine", "model": "m", "accelerator": "a", "engine": "e", "weights_dtype": "bf16",
    ...     "kv_dtype": "bf16", "variants": [{"tp": 1, "prefill_ms": {"fixed": 10, "per_token": 0.1},
    ...     "decode_ms": [{"fixed": 8, "per_sequence": 0.1}], "prefill_tokens_range": [100, 1000],
    ...     "decode_batch_range": [1, 64]}]})
    >>> seen = gather([Measurements("t", "f", prefill=(PrefillPoint(900, 0.08), PrefillPoint(2000, 0.21)))])
    >>> row = check_profile(profile, seen).rows[0]                         # 100/80 and 210/210 ms
    >>> round(row.errors.largest, 3), row.outside
    (0.25, 1)
    """
    rows = []
    together: dict[str, list[Array]] = {}
    degrees = sorted(set(gathered.prefill) | set(gathered.decode))
    for key in degrees:
        if key not in profile.variants:
            continue
        model = profile.model(*key)
        for kind, steps in (
            ("prefill", prefill_steps(gathered.prefill.get(key, ()))),
            ("decode", decode_steps(gathered.decode.get(key, ()))),
        ):
            if len(steps) == 0:
                continue
            in_runs = (kind, *key) in gathered.from_runs
            errors = _predicted(profile, model, steps, in_runs) / steps.measured_s - 1.0
            together.setdefault(kind, []).append(errors)
            summary, bias = ErrorSummary.of(errors), float(np.median(errors))
            rows.append(CheckRow(kind, *key, summary, bias, _outside(model, steps), in_runs))
    overall = {kind: ErrorSummary.of(np.concatenate(parts)) for kind, parts in together.items()}
    return Check(tuple(rows), overall, tuple(k for k in degrees if k not in profile.variants))


def _predicted(profile: LatencyProfile, model: LatencyModel, steps: Steps, in_runs: bool) -> Array:
    """Times by the profile [s]; contexts that are not said count as the middle of those it was made for."""
    first, second = steps.at[:, 0], steps.at[:, 1]
    if steps.kind == "prefill":
        bare = np.asarray(model.prefill_step_s(first, (first + second) ** 2 - second**2), dtype=float)
        overhead = getattr(model, "request_overhead_s", None)
        return bare + (overhead(first + second) if in_runs and overhead is not None else 0.0)
    measured = getattr(model, "context_range", None) or (0.0, 0.0)
    context = np.where(np.isnan(second), sum(measured) / 2.0, second)
    factor = (profile.step_factor or 1.0) if in_runs else 1.0
    return np.asarray(model.decode_step_s(first, first * context), dtype=float) / factor


def _outside(model: LatencyModel, steps: Steps) -> int:
    low, high = model.prefill_range if steps.kind == "prefill" else model.decode_range
    at = steps.at.sum(axis=1) if steps.kind == "prefill" else steps.at[:, 0]
    return int(np.count_nonzero((at < low * 0.99) | (at > high * 1.01)))
