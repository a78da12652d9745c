"""What every latency model can answer: how long one step of one instance takes.

An *instance* is one engine replica (all its TP x PP ranks together). All methods take floats or arrays,
broadcast, and answer in seconds.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pdplan.trust import Trust


@runtime_checkable
class LatencyModel(Protocol):
    """Step times of one instance at one parallelism.

    Validity: ``prefill_range`` and ``decode_range`` are the (lowest, highest) prompt tokens and batch sizes
    the model was made for; outside them a caller labels the number.
    """

    @property
    def trust(self) -> Trust:
        """What stands behind the step times."""
        ...

    @property
    def source(self) -> str:
        """One line: where the numbers come from."""
        ...

    @property
    def prefill_range(self) -> tuple[float, float]:
        """Prompt tokens of one step over which the model holds."""
        ...

    @property
    def decode_range(self) -> tuple[float, float]:
        """Batch sizes over which the model holds."""
        ...

    def prefill_step_s(self, new_tokens: Any, attention_tokens_sq: Any) -> Any:
        """Time of one prefill step over a batch of prompts [s].

        ``new_tokens``: sum over the batch of uncached prompt tokens n_i. ``attention_tokens_sq``: sum over
        the batch of (n_i + cached_i)^2 - cached_i^2, which is sum n_i^2 without prefix hits.
        """
        ...

    def decode_step_s(self, batch: Any, context_tokens: Any) -> Any:
        """Time of one decode step of ``batch`` sequences whose contexts sum to ``context_tokens`` [s]."""
        ...

    def mixed_step_s(
        self, batch: Any, context_tokens: Any, chunk_tokens: Any, chunk_attention_tokens_sq: Any
    ) -> Any:
        """Time of one step that carries ``batch`` decodes and a prefill chunk [s]."""
        ...


def prompt_prefill_s(model: LatencyModel, prompt_tokens: Any, cached_tokens: Any = 0.0) -> Any:
    """Prefill time of one prompt alone, of which ``cached_tokens`` are found in the prefix cache [s]."""
    new = prompt_tokens - cached_tokens
    return model.prefill_step_s(new, prompt_tokens**2 - cached_tokens**2)


def request_overhead_s(model: LatencyModel, prompt_tokens: Any) -> NDArray[np.float64]:
    """Host time of a request before its prefill, at each of these prompts [s]; zero where the model has none.

    Examples
    --------
    >>> from pdplan.latency import Tabulated
    >>> table = Tabulated.from_rates(10_000.0, {10.0: 0.01}, source="table", overhead_s=0.1)
    >>> request_overhead_s(table, np.array([100.0, 200.0])).tolist()
    [0.1, 0.1]
    """
    by_prompt = getattr(model, "request_overhead_s", None)
    value = by_prompt(prompt_tokens) if by_prompt is not None else getattr(model, "ttft_overhead_s", 0.0)
    return np.broadcast_to(np.asarray(value, dtype=float), np.shape(prompt_tokens))
