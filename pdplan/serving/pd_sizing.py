"""How many prefill and decode instances carry a token rate (Li et al. 2026, arXiv 2603.04716)."""

from __future__ import annotations

from typing import Any, NamedTuple

from pdplan.checks import is_symbolic, require_positive
from pdplan.serving.piecewise import larger


class PdCounts(NamedTuple):
    """Fractional need of instances: the numbers before anybody rounds them."""

    prefill: Any
    decode: Any

    @property
    def ratio(self) -> Any:
        """Prefill instances per decode instance [-]."""
        return self.prefill / self.decode

    def carried_fraction(self, prefill_instances: Any, decode_instances: Any) -> Any:
        """Share of the demand that a fleet of whole instances carries, at most 1 [-].

        Examples
        --------
        >>> need = PdCounts(3.06772, 3.793051)
        >>> round(need.carried_fraction(3, 4), 4)      # the paper's 3P4D falls 2.2% short
        0.9779
        >>> need.carried_fraction(4, 4)
        1.0
        """
        require_positive("prefill_instances", prefill_instances, zero_ok=True)
        require_positive("decode_instances", decode_instances, zero_ok=True)
        short = larger(1 - prefill_instances / self.prefill, 1 - decode_instances / self.decode)
        return 1 - larger(0 * short, short)

    def __str__(self) -> str:
        """One line, as in the paper: 3.07 P, 3.79 D."""
        if is_symbolic(self.prefill) or is_symbolic(self.decode):
            return f"{self.prefill} prefill, {self.decode} decode"
        return f"{self.prefill:.2f} prefill and {self.decode:.2f} decode instances (ratio {self.ratio:.2f})"


def pd_counts(
    total_tokens_per_s: Any,
    prompt_tokens: Any,
    output_tokens: Any,
    prefill_tokens_per_s: Any,
    decode_tokens_per_s: Any,
) -> PdCounts:
    r"""Fractional numbers of prefill and decode instances that carry a total token rate.

    .. math:: N_P = \frac{TP\,L_{in}}{(L_{in}+L_{out})\,TP_P},\qquad
              N_D = \frac{TP\,L_{out}}{(L_{in}+L_{out})\,TP_D}

    Parameters
    ----------
    total_tokens_per_s : float
        Prompt plus output tokens per second to carry, TP [tok/s].
    prompt_tokens, output_tokens : float
        Mean lengths of a request, L_in and L_out [tok].
    prefill_tokens_per_s, decode_tokens_per_s : float
        What one instance delivers within the latency targets, TP_P and TP_D [tok/s].

    Returns
    -------
    PdCounts
        ``(prefill, decode)``, fractional; ``.ratio``, ``.carried_fraction(n_p, n_d)``.

    Notes
    -----
    Valid for long-run means; percentiles enter through TP_P and TP_D. The paper rounds 3.07 down to 3 and
    measures 4% less than asked, so rounding is left to the caller.

    Raises
    ------
    InputError
        A rate or length that is not positive and finite.

    References
    ----------
    Li, Li, Gong, Zhang 2026, arXiv 2603.04716, equations 5 and 6.

    Examples
    --------
    >>> counts = pd_counts(5e6 / 60, 6144, 512, 25075, 1690)
    >>> print(counts)
    3.07 prefill and 3.79 decode instances (ratio 0.81)
    """
    require_positive("total_tokens_per_s", total_tokens_per_s, "tok/s")
    require_positive("prompt_tokens", prompt_tokens, "tok")
    require_positive("output_tokens", output_tokens, "tok")
    require_positive("prefill_tokens_per_s", prefill_tokens_per_s, "tok/s")
    require_positive("decode_tokens_per_s", decode_tokens_per_s, "tok/s")
    requests_per_s = total_tokens_per_s / (prompt_tokens + output_tokens)
    return PdCounts(
        requests_per_s * prompt_tokens / prefill_tokens_per_s,
        requests_per_s * output_tokens / decode_tokens_per_s,
    )


def pd_ratio(
    prompt_tokens: Any, output_tokens: Any, prefill_tokens_per_s: Any, decode_tokens_per_s: Any
) -> Any:
    r"""Prefill instances per decode instance; the demand cancels.

    .. math:: R_{P/D} = \frac{L_{in}\,TP_D}{L_{out}\,TP_P}

    Parameters
    ----------
    prompt_tokens, output_tokens : float
        Mean lengths of a request [tok].
    prefill_tokens_per_s, decode_tokens_per_s : float
        What one instance delivers within the latency targets [tok/s].

    Returns
    -------
    float
        N_P / N_D [-].

    Raises
    ------
    InputError
        A value that is not positive and finite.

    References
    ----------
    Li, Li, Gong, Zhang 2026, arXiv 2603.04716, equation 7.

    Examples
    --------
    >>> round(pd_ratio(6144, 512, 25075, 1690), 6)
    0.808774
    """
    require_positive("prompt_tokens", prompt_tokens, "tok")
    require_positive("output_tokens", output_tokens, "tok")
    require_positive("prefill_tokens_per_s", prefill_tokens_per_s, "tok/s")
    require_positive("decode_tokens_per_s", decode_tokens_per_s, "tok/s")
    return prompt_tokens * decode_tokens_per_s / (output_tokens * prefill_tokens_per_s)
