"""What requests ask of decode: how many steps, and how much KV each step reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.serving.demand import ClassDemand

Array = NDArray[np.float64]
FirstToken = Literal["decode", "prefill"]


@dataclass(frozen=True, eq=False)
class DecodeWork:
    r"""Lengths of requests as decode sees them: atoms of (first context, steps, weight).

    A request of atom i reads contexts :math:`c_i, c_i + m, \dots, c_i + m (s_i - 1)` in its :math:`s_i`
    steps of m tokens each.

    Parameters
    ----------
    first_context : array, shape (n,)
        Context of the first decode step, c [tok].
    steps : array, shape (n,)
        Decode steps, s >= 1 [-]; fractional with speculative decoding.
    weight : array, shape (n,)
        Probability among the requests that decode at all [-].
    gap_steps : array, shape (n,)
        Steps over which the TPOT of the request is averaged [-]; 0 where it has one output token, and then
        its TPOT is undefined.
    decode_share : float
        Requests that need decode, of all requests [-].
    tokens_per_step : float
        m [tok].

    Raises
    ------
    InputError
        Atoms out of range.

    Examples
    --------
    >>> w = DecodeWork.from_lengths(np.array([100.0]), np.array([11.0]), np.array([1.0]))
    >>> w.mean_steps, w.mean_context
    (11.0, 105.0)
    >>> DecodeWork.from_lengths(np.array([100.0]), np.array([11.0]), np.array([1.0]), "prefill").mean_context
    105.5
    """

    first_context: Array
    steps: Array
    weight: Array
    gap_steps: Array
    decode_share: float = 1.0
    tokens_per_step: float = 1.0

    def __post_init__(self) -> None:
        """Check the atoms once."""
        require_positive("first_context", self.first_context, "tok", zero_ok=True)
        require_positive("steps", self.steps)
        require_positive("tokens_per_step", self.tokens_per_step)

    @classmethod
    def from_lengths(
        cls,
        prompt_tokens: Array,
        output_tokens: Array,
        weight: Array,
        first_token_from: FirstToken = "decode",
        tokens_per_step: float = 1.0,
    ) -> DecodeWork:
        """Take prompt and output lengths with their probabilities.

        ``first_token_from="prefill"``: prefill emits the first token, decode has the other out - 1, and
        requests of one output token never come to decode.
        """
        if first_token_from not in ("decode", "prefill"):
            raise InputError(f"first_token_from is {first_token_from!r}: it must be 'decode' or 'prefill'")
        require_positive("tokens_per_step", tokens_per_step)
        emitted = 1.0 if first_token_from == "prefill" else 0.0
        comes = output_tokens > emitted
        share = float(weight[comes].sum())
        if not share > 0:
            raise InputError("no request needs decode: every output is one token and prefill emits it")
        left = output_tokens[comes] - emitted
        return cls(
            first_context=prompt_tokens[comes] + emitted,
            steps=np.maximum(1.0, left / tokens_per_step),
            weight=weight[comes] / share,
            gap_steps=(output_tokens[comes] - 1) / tokens_per_step,
            decode_share=share,
            tokens_per_step=tokens_per_step,
        )

    @classmethod
    def from_demand(
        cls, demand: ClassDemand, first_token_from: FirstToken = "decode", tokens_per_step: float = 1.0
    ) -> DecodeWork:
        """Take the lengths of a class, or of several pooled ones."""
        return cls.from_lengths(
            demand.prompt_tokens, demand.output_tokens, demand.weight, first_token_from, tokens_per_step
        )

    @classmethod
    def equal(cls, steps: float, first_context: float = 0.0) -> DecodeWork:
        """Requests that are all alike."""
        one = np.ones(1)
        return cls(one * first_context, one * steps, one, one * (steps - 1))

    @cached_property
    def mean_steps(self) -> float:
        """E s: steps of a request [-]."""
        return float(self.weight @ self.steps)

    @cached_property
    def scv_steps(self) -> float:
        """Squared coefficient of variation of the steps [-]."""
        mean = self.mean_steps
        return max(0.0, float(self.weight @ self.steps**2) / mean**2 - 1.0)

    def scv_work(self, per_step_s: float, per_context_token_s: float) -> float:
        r"""Squared coefficient of variation of what a request takes from a full batch [-].

        Its work is :math:`s\,(w + \gamma\,\overline{c})`: steps times what one of them costs at the request's
        own mean context. Without KV reads that is `scv_steps`.

        Examples
        --------
        >>> work = DecodeWork.from_lengths(np.array([0.0, 200.0]), np.array([1.0, 1.0]), np.array([0.5, 0.5]))
        >>> work.scv_work(1.0, 0.0), work.scv_work(1.0, 0.01)          # works 1, 1; then 1, 3
        (0.0, 0.25)
        """
        context = self.first_context + self.tokens_per_step * (self.steps - 1) / 2
        work = self.steps * (per_step_s + per_context_token_s * context)
        return max(0.0, float(self.weight @ work**2) / float(self.weight @ work) ** 2 - 1.0)

    @cached_property
    def mean_context(self) -> float:
        r"""E kv: context of a running request at a random step [tok].

        .. math:: \frac{E[c\,s]}{E[s]} + \frac{m\,E[s(s-1)]}{2\,E[s]}

        With ``first_token_from="decode"`` and m = 1: E[in out]/E[out] + E[out (out-1)]/(2 E[out]).
        """
        s, growth = self.steps, self.tokens_per_step * (self.steps - 1) / 2
        return float(self.weight @ (s * (self.first_context + growth))) / self.mean_steps

    @cached_property
    def var_context(self) -> float:
        """Variance of the context of a running request at a random step [tok^2]."""
        s, c, m = self.steps, self.first_context, self.tokens_per_step
        squares = s * c**2 + c * m * s * (s - 1) + m**2 * (s - 1) * s * (2 * s - 1) / 6
        return max(0.0, float(self.weight @ squares) / self.mean_steps - self.mean_context**2)

    @cached_property
    def mean_reserved(self) -> float:
        """Final context of the requests found running, E[s (c + m s)] / E[s] [tok]."""
        final = self.first_context + self.tokens_per_step * self.steps
        return float(self.weight @ (self.steps * final)) / self.mean_steps

    @cached_property
    def undefined_tpot_share(self) -> float:
        """Requests of decode with one output token, whose TPOT is undefined [-]."""
        return float(self.weight[self.gap_steps <= 0].sum())
