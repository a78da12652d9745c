"""Step times fitted to measurements: prefill a + b n + c n^2, decode a + b B + c (sum of contexts)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.trust import Trust


def quadratic_prefill_s(
    fixed_s: Any, per_token_s: Any, per_token_sq_s: Any, new_tokens: Any, attention_tokens_sq: Any
) -> Any:
    """Time of a prefill step: ``a + b sum(n) + c sum(n^2)`` [s].

    Source: DistServe (Zhong et al., OSDI 2024), appendix A, and its simulator.

    Examples
    --------
    >>> round(quadratic_prefill_s(18.1025e-3, 0.101912e-3, 7.12226e-9, 512, 512**2) * 1e3, 2)
    72.15
    """
    return fixed_s + per_token_s * new_tokens + per_token_sq_s * attention_tokens_sq


def affine_decode_s(
    fixed_s: Any, per_sequence_s: Any, per_context_token_s: Any, batch: Any, context_tokens: Any
) -> Any:
    """Time of a decode step: ``a + b B + c sum(contexts)`` [s].

    Source: DistServe (Zhong et al., OSDI 2024), appendix A, and its simulator.

    Examples
    --------
    >>> round(affine_decode_s(19.9347e-3, 0.0385070e-3, 0.000626936e-3, 8, 8 * 512) * 1e3, 2)
    22.81
    """
    return fixed_s + per_sequence_s * batch + per_context_token_s * context_tokens


@dataclass(frozen=True, slots=True)
class PrefillFit:
    """Coefficients of `quadratic_prefill_s` [s], [s/tok], [s/tok^2]."""

    fixed_s: float
    per_token_s: float
    per_token_sq_s: float = 0.0


@dataclass(frozen=True, slots=True)
class DecodeFit:
    """Coefficients of `affine_decode_s` [s], [s/sequence], [s/tok], valid from batch ``from_batch`` on."""

    fixed_s: float
    per_sequence_s: float
    per_context_token_s: float = 0.0
    from_batch: float = 0.0


@dataclass(frozen=True, slots=True)
class Fitted:
    """A `LatencyModel` of fitted coefficients.

    Parameters
    ----------
    prefill : PrefillFit
    decode : tuple of DecodeFit
        Regimes in ascending ``from_batch``; the first starts at 0. Where regimes meet the time may jump,
        up or down (DistServe's OPT-66B falls from 105.6 to 97.7 ms at batch 95).
    prefill_range, decode_range : (float, float)
        Prompt tokens and batch sizes that were measured.
    source : str
        Where the coefficients come from.
    kv_capacity_tokens : int, optional
        Tokens of KV that one instance holds, where it was measured.
    step_overhead_s, token_overhead_s : float
        Added to every step, and per prompt token (prefill) or context token (decode); zero unless given.
    ttft_overhead_s, ttft_overhead_per_token_s : float
        Time before the prefill that belongs to a request, not to a step: fixed, and per prompt token.
    context_range, context_sum_range : (float, float), optional
        Mean context of a sequence and sum of contexts of a decode step that were measured [tok].
    """

    prefill: PrefillFit
    decode: tuple[DecodeFit, ...]
    prefill_range: tuple[float, float]
    decode_range: tuple[float, float]
    source: str
    kv_capacity_tokens: int | None = None
    step_overhead_s: float = 0.0
    token_overhead_s: float = 0.0
    ttft_overhead_s: float = 0.0
    ttft_overhead_per_token_s: float = 0.0
    context_range: tuple[float, float] | None = None
    context_sum_range: tuple[float, float] | None = None
    trust: Trust = field(default=Trust.APPROXIMATE, init=False)

    def __post_init__(self) -> None:
        """Check that the regimes cover every batch and that times are positive."""
        starts = [r.from_batch for r in self.decode]
        if not starts or starts[0] != 0 or starts != sorted(starts):
            raise InputError(f"decode regimes start at {starts}: the first must start at 0, the rest ascend")
        require_positive("prefill.fixed_s", self.prefill.fixed_s, "s", zero_ok=True)
        for regime in self.decode:
            require_positive("decode.fixed_s", regime.fixed_s, "s", zero_ok=True)

    def request_overhead_s(self, prompt_tokens: Any) -> Any:
        """Time of a request before its prefill [s]."""
        return self.ttft_overhead_s + self.ttft_overhead_per_token_s * prompt_tokens

    def prefill_step_s(self, new_tokens: Any, attention_tokens_sq: Any) -> Any:
        """Time of one prefill step [s]."""
        p = self.prefill
        fitted = quadratic_prefill_s(
            p.fixed_s, p.per_token_s, p.per_token_sq_s, new_tokens, attention_tokens_sq
        )
        return fitted + self.step_overhead_s + self.token_overhead_s * new_tokens

    def decode_step_s(self, batch: Any, context_tokens: Any) -> Any:
        """Time of one decode step [s]."""
        fixed, per_sequence, per_context = self._decode_coefficients(batch)
        fitted = affine_decode_s(fixed, per_sequence, per_context, batch, context_tokens)
        return fitted + self.step_overhead_s + self.token_overhead_s * context_tokens

    def mixed_step_s(
        self, batch: Any, context_tokens: Any, chunk_tokens: Any, chunk_attention_tokens_sq: Any
    ) -> Any:
        """Time of a step with decodes and a chunk [s].

        The fixed parts (weights are read once) count once, the larger of the two; the rest adds up. Neither
        fit was made on mixed steps: approximate.
        """
        fixed, per_sequence, per_context = self._decode_coefficients(batch)
        p = self.prefill
        shared = np.maximum(
            np.where(np.asarray(batch) > 0, fixed, 0.0),
            np.where(np.asarray(chunk_tokens) > 0, p.fixed_s, 0.0),
        )
        total = (
            shared
            + affine_decode_s(0.0, per_sequence, per_context, batch, context_tokens)
            + quadratic_prefill_s(
                0.0, p.per_token_s, p.per_token_sq_s, chunk_tokens, chunk_attention_tokens_sq
            )
            + self.step_overhead_s
            + self.token_overhead_s * (context_tokens + chunk_tokens)
        )
        return total if np.ndim(total) else float(total)

    def _decode_coefficients(self, batch: Any) -> tuple[Any, Any, Any]:
        """Return the coefficients of the regime of each batch."""
        if len(self.decode) == 1:
            only = self.decode[0]
            return only.fixed_s, only.per_sequence_s, only.per_context_token_s
        if not np.ndim(batch):
            one = [r for r in self.decode if r.from_batch <= float(batch)][-1]
            return one.fixed_s, one.per_sequence_s, one.per_context_token_s
        starts = np.array([r.from_batch for r in self.decode])
        table = np.array([(r.fixed_s, r.per_sequence_s, r.per_context_token_s) for r in self.decode])
        chosen = table[np.searchsorted(starts, np.asarray(batch), side="right") - 1]
        return chosen[..., 0], chosen[..., 1], chosen[..., 2]
