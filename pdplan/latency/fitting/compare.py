"""Two profiles side by side: step times at the same places, and their ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pdplan.errors import InputError
from pdplan.latency.model import LatencyModel
from pdplan.latency.profile import LatencyProfile

#: Context at which decode steps are shown where a profile does not say which it measured [tok].
CONTEXT = 1024.0
PLACES = 5


@dataclass(frozen=True, slots=True)
class Place:
    """One step at one (tp, pp): prompt tokens, or batch and context, and the time by each profile [s]."""

    kind: str
    tp: int
    pp: int
    at: dict[str, float]
    seconds: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Time by the last over time by the first [-]."""
        return self.seconds[-1] / self.seconds[0]

    def document(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return the JSON form."""
        times = {n: float(f"{s:.6g}") for n, s in zip(names, self.seconds, strict=True)}
        found = {"kind": self.kind, "tp": self.tp, "pp": self.pp, **self.at, "seconds": times}
        return found | ({"ratio": round(self.ratio, 4)} if len(self.seconds) > 1 else {})


def places(*profiles: LatencyProfile) -> tuple[Place, ...]:
    """Return the step times of one or more profiles over their common ranges, for every common (tp, pp).

    Raises
    ------
    InputError
        No (tp, pp) in common.

    Examples
    --------
    >>> def profile(fixed, top):
    ...     return LatencyProfile.from_document({
    ...         "name": "mine", "model": "m", "accelerator": "a", "engine": "e", "weights_dtype": "bf16",
    ...         "kv_dtype": "bf16", "variants": [{"tp": 1, "prefill_ms": {"fixed": fixed, "per_token": 0.1},
    ...         "decode_ms": [{"fixed": 8, "per_sequence": 0.1}], "prefill_tokens_range": [100, top],
    ...         "decode_batch_range": [1, 64]}]})
    >>> first = places(profile(10, 1000), profile(20, 100))[0]
    >>> first.at, round(first.ratio, 4)                                    # 30 ms over 20 ms
    ({'prompt_tokens': 100.0}, 1.5)
    """
    degrees = sorted(set.intersection(*(set(p.variants) for p in profiles)))
    if not degrees:
        have = "; ".join(f"{p.name}: " + ", ".join(f"TP {t} PP {q}" for t, q in p.degrees) for p in profiles)
        raise InputError(f"the profiles have no TP and PP in common ({have})")
    found: list[Place] = []
    for tp, pp in degrees:
        models = [p.model(tp, pp) for p in profiles]
        for n in _spread([m.prefill_range for m in models]):
            times = tuple(float(m.prefill_step_s(n, n**2)) for m in models)
            found.append(Place("prefill", tp, pp, {"prompt_tokens": n}, times))
        contexts, furthest = _contexts(models), _furthest(models)
        for batch in _spread([m.decode_range for m in models]):
            for context in contexts:
                if batch * context > furthest:
                    continue
                times = tuple(float(m.decode_step_s(batch, batch * context)) for m in models)
                found.append(Place("decode", tp, pp, {"batch": batch, "context_tokens": context}, times))
    return tuple(found)


def _spread(ranges: list[tuple[float, float]]) -> list[float]:
    """Return a few whole numbers over the common range, evenly in the logarithm; none without one."""
    low, high = max(r[0] for r in ranges), min(r[1] for r in ranges)
    if low > high:
        return []
    if high < 2 * low:
        return sorted({low, high})
    return sorted(
        {
            float(f"{x:.2g}") if 0 < i < PLACES - 1 else x
            for i, x in enumerate(np.geomspace(low, high, PLACES).tolist())
        }
    )


def _furthest(models: Sequence[LatencyModel]) -> float:
    """Return the largest sum of contexts that all profiles measured; infinite where none says."""
    said = [r for r in (getattr(m, "context_sum_range", None) for m in models) if r is not None]
    return min((r[1] * 1.01 for r in said), default=np.inf)


def _contexts(models: Sequence[LatencyModel]) -> list[float]:
    """Return lowest and highest context that all profiles measured, or one that is usual."""
    said = [r for r in (getattr(m, "context_range", None) for m in models) if r is not None]
    if not said:
        return [CONTEXT]
    low, high = max(r[0] for r in said), min(r[1] for r in said)
    return [CONTEXT] if low > high else sorted({low, high})
