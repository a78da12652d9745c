"""What every latency model can answer: how long one step of one instance takes.

An *instance* is one engine replica (all its TP x PP ranks together). All methods take floats or arrays,
broadcast, and answer in seconds.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

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
