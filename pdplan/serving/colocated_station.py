"""The colocated baseline as a station: one fleet of engines that prefill and decode.

Two engines: `ChunkedStation` (chunked.py: an iteration carries the decodes and up to C tokens in all) and
`PrefillFirstStation` (waiting prompts go first, decode stands still meanwhile: vLLM v0, Orca).
`colocated_station` picks by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pdplan.errors import InputError, did_you_mean
from pdplan.latency.model import LatencyModel
from pdplan.serving.chunked import ChunkedStation
from pdplan.serving.colocated_base import ColocatedStation
from pdplan.serving.demand import ClassDemand

Discipline = Literal["chunked", "prefill_first"]


def colocated_station(
    demands: Sequence[ClassDemand],
    model: LatencyModel,
    *,
    instances: int = 1,
    discipline: Discipline = "chunked",
    budget_tokens: float = 2048.0,
    max_batch: int | None = None,
    kv_capacity_tokens: float | None = None,
    step_factor: float = 0.95,
) -> ColocatedStation:
    """Return the station of the named engine, solved.

    Raises
    ------
    InputError
        An engine that is not known.
    UnstableError
        More work than the engines can do.

    Examples
    --------
    >>> import numpy as np
    >>> from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
    >>> model = Fitted(PrefillFit(0.008, 5e-5), (DecodeFit(0.008, 1e-4),), (1, 1e5), (1, 512), "example")
    >>> chat = ClassDemand("chat", 8.0, np.array([1000.0]), np.array([201.0]), np.array([1.0]))
    >>> s = colocated_station([chat], model, instances=2, budget_tokens=512, step_factor=1.0)
    >>> round(s.prefill_share, 6), round(s.mean_tpot_s, 6), s.trust.value     # 4 x 1000 x 50 us; t/(1 - u)
    (0.2, 0.01125, 'approximate')
    >>> low, high = s.tpot_quantile_bounds_s(0.99)
    >>> low < high < 0.05, round(s.worst_itl_s, 4)
    (True, 0.0341)
    """
    from pdplan.serving.prefill_first import PrefillFirstStation

    kinds: dict[str, type[ColocatedStation]] = {
        "chunked": ChunkedStation,
        "prefill_first": PrefillFirstStation,
    }
    if discipline not in kinds:
        raise InputError(
            f"colocated discipline {discipline!r} is not known: use chunked or prefill_first"
            f"{did_you_mean(discipline, kinds)}"
        )
    return kinds[discipline](
        demands,
        model,
        instances,
        max_batch,
        kv_capacity_tokens,
        step_factor,
        budget_tokens=budget_tokens,
    )
