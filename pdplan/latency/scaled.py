"""A latency model whose times are off by known factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pdplan.latency.model import LatencyModel, request_overhead_s
from pdplan.trust import Trust


@dataclass(frozen=True, eq=False, slots=True)
class ScaledLatency:
    """Step times of a model, times a factor each for prefill, decode and the host time of a request [-].

    Examples
    --------
    >>> from pdplan.latency import Tabulated
    >>> slow = ScaledLatency(Tabulated.from_rates(10_000.0, {10.0: 0.01}, source="table"), prefill=2.0)
    >>> round(float(slow.prefill_step_s(1000.0, 1e6)), 9)                   # 2 x 1000 / 10,000
    0.2
    >>> float(slow.decode_step_s(10.0, 1e4))
    0.01
    """

    model: LatencyModel
    prefill: float = 1.0
    decode: float = 1.0
    overhead: float = 1.0

    @property
    def trust(self) -> Trust:
        """As the model's."""
        return self.model.trust

    @property
    def source(self) -> str:
        """The model's, and the factors."""
        return f"{self.model.source}, prefill x {self.prefill:g}, decode x {self.decode:g}"

    @property
    def prefill_range(self) -> tuple[float, float]:
        """As the model's [tok]."""
        return self.model.prefill_range

    @property
    def decode_range(self) -> tuple[float, float]:
        """As the model's [-]."""
        return self.model.decode_range

    def request_overhead_s(self, prompt_tokens: Any) -> Any:
        """Host time of a request before its prefill [s]."""
        return self.overhead * request_overhead_s(self.model, np.asarray(prompt_tokens, dtype=float))

    @property
    def dp_attention(self) -> int:
        """As the model's [-]."""
        return int(getattr(self.model, "dp_attention", 1))

    def rank_prefill_step_s(self, tokens: Any, attention_tokens_sq: Any, all_tokens: Any) -> Any:
        """Time of a prefill step by its slowest attention rank, of models that tell ranks apart [s]."""
        model: Any = self.model
        return self.prefill * model.rank_prefill_step_s(tokens, attention_tokens_sq, all_tokens)

    def prefill_step_s(self, new_tokens: Any, attention_tokens_sq: Any) -> Any:
        """Time of one prefill step [s]."""
        return self.prefill * self.model.prefill_step_s(new_tokens, attention_tokens_sq)

    def decode_step_s(self, batch: Any, context_tokens: Any) -> Any:
        """Time of one decode step [s]."""
        return self.decode * self.model.decode_step_s(batch, context_tokens)

    def mixed_step_s(
        self, batch: Any, context_tokens: Any, chunk_tokens: Any, chunk_attention_tokens_sq: Any
    ) -> Any:
        """Time of a step with both: the decode alone by its factor, what the chunk adds by the other [s]."""
        alone = self.model.decode_step_s(batch, context_tokens)
        both = self.model.mixed_step_s(batch, context_tokens, chunk_tokens, chunk_attention_tokens_sq)
        return self.decode * alone + self.prefill * (both - alone)
