r"""One engine that prefills and decodes: the formulas.

Notation: an iteration with b decodes takes t(b); a prompt adds X [s] of prefill work on top, so that a share
:math:`u = \lambda\,E X` of the time is lost to decode whatever way prompts are cut and packed. Functions are
plain arithmetic; the fixed point in b is solved by `pdplan.serving.colocated_station`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pdplan.checks import require_fraction, require_positive, require_stable


def prefill_share(arrival_rate: Any, mean_extra_s: Any) -> Any:
    r"""Share of the time that prefill takes from decode, :math:`u = \lambda\,E X`.

    Parameters
    ----------
    arrival_rate : float
        Requests per second of one instance [1/s].
    mean_extra_s : float
        Mean time that a prompt adds to iterations (chunks) or takes for itself (prefill first) [s].

    Examples
    --------
    >>> prefill_share(4.0, 0.05)
    0.2
    """
    require_positive("arrival_rate", arrival_rate, "1/s")
    require_positive("mean_extra_s", mean_extra_s, "s", zero_ok=True)
    return arrival_rate * mean_extra_s


def mean_tpot_s(step_s: Any, share: Any) -> Any:
    r"""Mean time per output token: a decode step stretched by prefill, :math:`t(b)/(1-u)`.

    Every iteration costs t(b), with or without prefill work, and prefill work takes the share u of the time:
    :math:`(1-u)/t(b)` iterations a second, each a token for each running request.

    Parameters
    ----------
    step_s : float
        t(b) [s].
    share : float
        u, in [0, 1) [-].

    Raises
    ------
    UnstableError
        u >= 1: prefill alone needs more than the instance.

    Examples
    --------
    >>> mean_tpot_s(0.012, 0.2)
    0.015
    """
    require_positive("step_s", step_s, "s")
    require_stable(share, what="the colocated instance's prefill")
    return step_s / (1 - share)


def mean_batch(decode_tokens_per_s: Any, tpot_s: Any) -> Any:
    """Mean number of running requests, by Little's law: b = lam G TPOT.

    Examples
    --------
    >>> round(mean_batch(4.0 * 200, 0.015), 12)
    12.0
    """
    return decode_tokens_per_s * tpot_s


def chunks_of(new_tokens: Any, chunk_tokens: Any) -> Any:
    """Chunks that a prompt is cut into when it has the budget to itself, ceil(n / C) [-].

    Examples
    --------
    >>> chunks_of(np.array([1.0, 512.0, 513.0]), 512.0).tolist()
    [1.0, 1.0, 2.0]
    """
    return np.ceil(np.asarray(new_tokens, dtype=float) / chunk_tokens)


def chunked_prefill_s(new_tokens: Any, chunks: Any, token_s: Any, step_s: Any) -> Any:
    r"""Time of a prompt's own iterations, :math:`S'(n) = \kappa n + \lceil n/C \rceil\,t(b)`.

    Parameters
    ----------
    new_tokens : float
        n, uncached prompt tokens [tok].
    chunks : float
        ceil(n/C) [-].
    token_s : float
        kappa, what a prompt token adds to an iteration [s/tok].
    step_s : float
        t(b) [s].

    Examples
    --------
    >>> round(chunked_prefill_s(1000.0, 2.0, 5e-5, 0.01), 12)
    0.07
    """
    return token_s * new_tokens + chunks * step_s


def worst_itl_s(step_s: Any, chunk_s: Any) -> Any:
    """Worst gap between tokens: a decode step and a full chunk (or, prefill first, a whole prefill) [s].

    Examples
    --------
    >>> worst_itl_s(0.010, 0.025)
    0.035
    """
    require_positive("step_s", step_s, "s")
    require_positive("chunk_s", chunk_s, "s", zero_ok=True)
    return step_s + chunk_s


def mean_wait_s(arrival_rate: Any, mean_service_s: Any, second_moment_s2: Any, step_s: Any) -> Any:
    r"""Mean wait of a prompt for its first iteration when prompts take turns.

    .. math:: \frac{\lambda E[S'^2]}{2 (1 - \lambda E S')} + \frac{t(b)}{2}

    The queue is M/G/1 with vacations: when no prompt waits, the engine starts decode iterations one after
    another, and a prompt that comes waits for the end of the one under way.

    Parameters
    ----------
    arrival_rate : float
        Prompts per second [1/s].
    mean_service_s, second_moment_s2 : float
        Moments of S' [s], [s^2].
    step_s : float
        t(b), zero for an engine that is idle when no prompt waits [s].

    Notes
    -----
    Source: S. W. Fuhrmann and R. B. Cooper, Operations Research 33 (1985) 1117-1129 (decomposition). Prompts
    that share an iteration make it too long: `pdplan.serving.step_chain` packs them.

    Raises
    ------
    UnstableError
        lam E S' >= 1.

    Examples
    --------
    >>> round(mean_wait_s(5.0, 0.1, 0.02, 0.01), 12)
    0.105
    """
    load = arrival_rate * mean_service_s
    require_stable(load, what="the colocated instance")
    return arrival_rate * second_moment_s2 / (2 * (1 - load)) + step_s / 2


def packed_load(tokens_per_s: Any, full_iteration_s: Any, chunk_tokens: Any) -> Any:
    """Prompt tokens offered over those of an engine whose every iteration carries a full chunk [-].

    Below 1 the prompt queue is stable, however prompts share chunks.

    Parameters
    ----------
    tokens_per_s : float
        Uncached prompt tokens per second [tok/s].
    full_iteration_s : float
        t(b) + kappa C [s].
    chunk_tokens : float
        C [tok].

    Examples
    --------
    >>> packed_load(5000.0, 0.05, 512.0)
    0.48828125
    """
    require_positive("chunk_tokens", chunk_tokens, "tok")
    return tokens_per_s * full_iteration_s / chunk_tokens


def tpot_bracket_s(mean_tpot: float, itl_quantile: float, p: float) -> tuple[float, float]:
    """Bracket of a percentile of TPOT over requests: the mean TPOT below, the ITL law at the same p above.

    Per-request TPOT is an average of ITLs, hence less spread than they are; p at or above the median is asked
    for, where a right-skewed law lies above its mean.

    Examples
    --------
    >>> tpot_bracket_s(0.015, 0.04, 0.99)
    (0.015, 0.04)
    """
    require_fraction("p", p, open_high=True)
    return min(mean_tpot, itl_quantile), max(mean_tpot, itl_quantile)
