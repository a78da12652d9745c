"""Prefill throughput within a TTFT target, from a benchmarked maximum (M/M/1; arXiv 2603.04716)."""

from __future__ import annotations

import math
from typing import Any

from pdplan.checks import is_symbolic, require_fraction, require_positive
from pdplan.errors import InfeasibleError


def smallest_ttft_s(max_prefill_tokens_per_s: Any, prompt_tokens: Any, overhead_s: Any = 0.0) -> Any:
    r"""TTFT of one prompt on an idle instance, :math:`T_o + L_{in}/TP_{max}`: no target may be below it.

    Parameters
    ----------
    max_prefill_tokens_per_s : float
        Benchmarked maximum of one instance, TP_max [tok/s].
    prompt_tokens : float
        Mean prompt, L_in [tok].
    overhead_s : float
        What TTFT holds besides prefill: transfer, first step, network, T_o [s].

    Returns
    -------
    float
        Bare TTFT [s].

    Raises
    ------
    InputError
        Values out of range.

    Examples
    --------
    >>> round(smallest_ttft_s(28309, 6144, 0.1), 4)
    0.317
    """
    require_positive("max_prefill_tokens_per_s", max_prefill_tokens_per_s, "tok/s")
    require_positive("prompt_tokens", prompt_tokens, "tok")
    require_positive("overhead_s", overhead_s, "s", zero_ok=True)
    return overhead_s + prompt_tokens / max_prefill_tokens_per_s


def effective_prefill_throughput(
    max_prefill_tokens_per_s: Any, prompt_tokens: Any, ttft_s: Any, overhead_s: Any = 0.0
) -> Any:
    r"""Prompt tokens per second that one instance carries at a mean TTFT, prefill taken as M/M/1.

    .. math:: TP_P = TP_{max} - \frac{L_{in}}{TTFT - T_o}

    Parameters
    ----------
    max_prefill_tokens_per_s : float
        Benchmarked maximum of one instance, TP_max [tok/s].
    prompt_tokens : float
        Mean prompt, L_in [tok].
    ttft_s : float
        Mean TTFT wished for [s].
    overhead_s : float
        What TTFT holds besides prefill, T_o [s].

    Returns
    -------
    float
        Effective prefill throughput [tok/s].

    Notes
    -----
    M/M/1 response 1/(mu - lam) with mu = TP_max/L_in; calibrated, not derived, since real engines batch
    prompts.

    Raises
    ------
    InfeasibleError
        TTFT <= T_o + L_in/TP_max: an idle instance is too slow already.

    References
    ----------
    Li, Li, Gong, Zhang 2026, arXiv 2603.04716, equation 13.

    Examples
    --------
    >>> round(effective_prefill_throughput(28309, 6144, 2.0, 0.1), 4)
    25075.3158
    >>> effective_prefill_throughput(28309, 6144, 0.3, 0.1)
    Traceback (most recent call last):
    pdplan.errors.InfeasibleError: ttft_s 0.3 s cannot be met at any rate: overhead 0.1 s plus ...
    """
    return _throughput(max_prefill_tokens_per_s, prompt_tokens, ttft_s, overhead_s, 1)


def effective_prefill_throughput_percentile(
    max_prefill_tokens_per_s: Any, prompt_tokens: Any, ttft_s: Any, p: Any, overhead_s: Any = 0.0
) -> Any:
    r"""Prompt tokens per second that one instance carries at a p-percentile of TTFT, prefill as M/M/1.

    .. math:: TP_P = TP_{max} - \frac{-\ln(1-p)\,L_{in}}{TTFT_p - T_o}

    Parameters
    ----------
    max_prefill_tokens_per_s, prompt_tokens, ttft_s, overhead_s : float
        As in `effective_prefill_throughput`, with ``ttft_s`` the percentile wished for.
    p : float
        Percentile in (0, 1), 0.99 for p99 [-].

    Returns
    -------
    float
        Effective prefill throughput [tok/s].

    Notes
    -----
    Conservative: an exponential service has a long tail of its own. Do not size tight targets with it.

    Raises
    ------
    InfeasibleError
        The percentile of the bare exponential service is beyond the target already.

    References
    ----------
    The M/M/1 response is exponential; arXiv 2603.04716 equation 13 with its quantile for its mean.

    Examples
    --------
    >>> round(effective_prefill_throughput_percentile(28309, 6144, 2.0, 0.9, 0.1), 1)
    20863.2
    """
    require_fraction("p", p, open_low=True, open_high=True)
    return _throughput(max_prefill_tokens_per_s, prompt_tokens, ttft_s, overhead_s, mm1_percentile_factor(p))


def mm1_percentile_factor(p: Any) -> Any:
    r"""Quantile of an exponential law over its mean, :math:`-\ln(1-p)` [-].

    Examples
    --------
    >>> round(mm1_percentile_factor(0.99), 4)
    4.6052
    """
    require_fraction("p", p, open_high=True)
    if is_symbolic(p):
        import sympy  # a symbol was given, so sympy is loaded already

        return -sympy.log(1 - p)
    if isinstance(p, (int, float)):
        return -math.log1p(-p)
    import numpy as np

    return -np.log1p(-np.asarray(p, dtype=float))


def _throughput(top: Any, prompt_tokens: Any, ttft_s: Any, overhead_s: Any, factor: Any) -> Any:
    """Equation 13 with L_in scaled by the percentile factor."""
    bare_s = smallest_ttft_s(top, prompt_tokens, overhead_s) - overhead_s
    require_positive("ttft_s", ttft_s, "s")
    short = ttft_s <= overhead_s + factor * bare_s
    if not any(is_symbolic(x) for x in (top, prompt_tokens, ttft_s, overhead_s, factor)) and _any(short):
        raise InfeasibleError(
            f"ttft_s {_least(ttft_s):g} s cannot be met at any rate: overhead {_least(overhead_s):g} s plus "
            f"bare prefill {_least(factor * bare_s):.4g} s use it up; shorten prefill (more TP) or raise the "
            "target"
        )
    return top - factor * prompt_tokens / (ttft_s - overhead_s)


def _any(flags: Any) -> bool:
    return bool(flags) if isinstance(flags, bool) else bool(flags.any())


def _least(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float(value.min())
