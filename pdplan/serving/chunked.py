"""The colocated engine that chunks prompts: an iteration carries the decodes and up to C tokens in all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pdplan.serving.colocated import worst_itl_s
from pdplan.serving.colocated_base import ColocatedStation
from pdplan.serving.colocated_mix import Array
from pdplan.serving.discrete_law import DiscreteLaw


@dataclass(frozen=True, eq=False)
class ChunkedStation(ColocatedStation):
    """Chunked prefill: an iteration carries the running decodes and prompt tokens up to the budget."""

    discipline = "chunked"

    @property
    def _largest_batch(self) -> float:
        return self.budget_tokens - 1.0

    @property
    def prompt_budget(self) -> float:
        """C - b: decodes count against the budget [tok]."""
        return self.budget_tokens - self.typical_batch

    def _chunk_extra_s(self, batch: Any, tokens: Any, attention: Any) -> Array:
        """What a chunk adds to an iteration of ``batch`` decodes [s]."""
        context = batch * self.step.mean_context
        mixed = np.asarray(self.model.mixed_step_s(batch, context, tokens, attention), dtype=float)
        plain = np.asarray(self.model.decode_step_s(batch, context), dtype=float)
        return np.asarray(np.maximum(mixed - plain, 0.0))

    def extra_s(self, batch: Array) -> Array:
        """Full chunks at their mean attention, then the rest [s]."""
        b = np.asarray(batch, dtype=float)[:, None]
        new, cached = self.new_tokens[None, :], self.cached_tokens[None, :]
        chunk = np.maximum(self.budget_tokens - b, 1.0)
        full = np.floor(new / chunk)
        rest = new - full * chunk
        through = (full * chunk + cached) ** 2
        per_chunk = (through - cached**2) / np.maximum(full, 1.0)
        chunks = np.stack([np.broadcast_to(chunk, rest.shape), rest])
        whole, last = self._chunk_extra_s(b, chunks, np.stack([per_chunk, (new + cached) ** 2 - through]))
        return np.asarray(full * whole + np.where(rest > 0, last, 0.0))

    @cached_property
    def _attention_per_token(self) -> float:
        """Mean of (n + c)^2 - c^2 over the mean of n: attention work of a prompt token [tok]."""
        squares = (self.new_tokens + self.cached_tokens) ** 2 - self.cached_tokens**2
        return float(self.prompt_weight @ squares) / float(self.prompt_weight @ self.new_tokens)

    def iteration_s(self, prompt_tokens: Array) -> Array:
        """t(b) and what the chunk adds [s]."""
        tokens = np.asarray(prompt_tokens, dtype=float)
        batch = np.full_like(tokens, self.typical_batch)
        extra = self._chunk_extra_s(batch, tokens, tokens * self._attention_per_token)
        base = self.step.at(np.full_like(tokens, self.typical_batch))
        return np.asarray(base + np.where(tokens > 0, extra, 0.0))

    @cached_property
    def itl(self) -> DiscreteLaw:
        """Gaps over tokens: the step of the batch that the token sees, and the chunk in that iteration."""
        plain = self.decode.itl
        base = plain.value * (1 - self.prefill_share)
        chain = self.chain_with_decodes
        extra = chain.duration_s - chain.duration_s[0]
        values = (base[:, None] + extra[None, :]).ravel()
        weight = (plain.weight[:, None] * chain.carried_pmf[None, :]).ravel()
        kept = weight > 1e-12
        return DiscreteLaw.of(values[kept], weight[kept] / weight[kept].sum())

    @property
    def worst_itl_s(self) -> float:
        """t(b) + a full chunk [s]."""
        step = float(self.step.at(self.typical_batch))
        return float(worst_itl_s(step, float(self.iteration_s(np.array([self.prompt_budget]))[0]) - step))
