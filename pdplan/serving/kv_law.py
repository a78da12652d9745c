"""Step times as tokens see them when KV reads make requests unequal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.serving.batch_law import capped_pmf, uncapped_pmf
from pdplan.serving.context_spectrum import KvEffect, kv_effect
from pdplan.serving.decode_step import StepTime
from pdplan.serving.decode_work import DecodeWork
from pdplan.serving.discrete_law import DiscreteLaw
from pdplan.serving.gamma_law import gamma_quantile

Array = NDArray[np.float64]


def lumped_pmf(offered: float, step: StepTime, cap: int | None, lump: float) -> Array:
    r"""Law of the batch in lumps of ``lump`` requests: same load and mean, ``lump`` times the variance.

    .. math:: p_k = p_0 \prod_{j \le k} \frac{\lambda G\, t(l j)}{l j}

    For t(n) = a + beta n negative binomial with r = 1 + a/(beta l) and the same phi. With a cap, B must be a
    whole number of lumps (`whole_lump`), so that the load at the cap is kept.

    Parameters
    ----------
    offered : float
        lam G [1/s].
    step : StepTime
        t(n).
    cap : int or None
        B [-].
    lump : float
        l [-].

    Examples
    --------
    >>> from pdplan.serving.decode_step import AffineStep
    >>> p = lumped_pmf(10.0, AffineStep(0.02, 0.05), None, 2.0)
    >>> round(2.0 * float(p @ np.arange(p.size)), 6)        # l r phi / (1 - phi), r = 1.2
    2.4
    """
    if cap is None:
        return uncapped_pmf(offered / lump, lambda k: step.at(lump * k))
    return capped_pmf(offered / lump, step.at(lump * np.arange(1.0, round(cap / lump) + 1)))


def whole_lump(lump: float, cap: int | None) -> float:
    """Size of lump nearest to ``lump`` of which a whole number makes the cap.

    Examples
    --------
    >>> whole_lump(1.3, 32), whole_lump(1.3, None)
    (1.28, 1.3)
    """
    return lump if cap is None else cap / max(1, round(cap / lump))


def kv_share(work: DecodeWork, step: StepTime, batch: float) -> float:
    """KV reads over the whole growth of a step at a batch, gamma kv / (beta + gamma kv), in [0, 1] [-].

    Examples
    --------
    >>> from pdplan.serving.decode_step import AffineStep
    >>> kv_share(DecodeWork.equal(101.0), AffineStep(0.01, 1e-4, 2e-6, 50.0), 10.0)
    0.5
    """
    t0, t1 = step.at(np.array([batch, batch + 1.0]))
    reads, growth = step.per_context_token_s * work.mean_context, float(t1 - t0)
    if reads <= 0:
        return 0.0
    return min(1.0, round(reads / growth, 9)) if growth > 0 else 1.0


def local_kv_effect(work: DecodeWork, step: StepTime, arrival_rate: float, batch: float) -> KvEffect | None:
    """Take the tangent of t(n) at a batch as a + (beta + gamma kv) n, and ask for its second moments.

    None without KV reads, where t(n) does not grow, and where the tangent is overloaded although the
    instance is not: then the plain law stands, and is labelled.
    """
    if kv_share(work, step, batch) == 0:
        return None
    t0, t1 = step.at(np.array([batch, batch + 1.0]))
    slope, gamma, kv = float(t1 - t0), step.per_context_token_s, work.mean_context
    base = float(t0) - slope * batch
    if slope <= 0 or base <= 0 or arrival_rate * work.mean_steps * slope >= 1:
        return None
    return kv_effect(work, arrival_rate, base, max(0.0, slope - gamma * kv), min(gamma, slope / kv))


def itl_with_kv(
    offered: float, step: StepTime, cap: int | None, effect: KvEffect, spread_s: float
) -> DiscreteLaw:
    r"""Law of the step time over tokens, with the exact variance that KV reads give it.

    The step clock sees the lumped batch K with weight p_k/t(l k). A step has E[N | W] tokens, taken linear in
    W with the exact slope, so the law over tokens is the step law weighted by
    :math:`E N + c\,(l K - E[l K])`, c the coupling.

    Parameters
    ----------
    offered : float
        lam G [1/s].
    step : StepTime
        t(n), every context at its mean.
    cap : int or None
        B [-].
    effect : KvEffect
        Spread and coupling.
    spread_s : float
        Standard deviation of what the context of one running request adds to a step [s]: a full batch still
        varies by sqrt(B) times that, taken as gamma distributed.

    Returns
    -------
    DiscreteLaw
        [s]. Mean exact (uncapped affine steps), percentiles approximate: the third moment is not matched.
    """
    lump = whole_lump(effect.step_spread, cap)
    pmf = lumped_pmf(offered, step, cap, lump)
    batch: Any = lump * np.arange(pmf.size)
    step_s = np.empty(pmf.size)
    step_s[1:] = step.at(batch[1:])
    # t(0), which no model answers: by the slope between one and two requests
    first = step.at(np.array([1.0, 2.0]))
    step_s[0] = max(2 * first[0] - first[1], 0.5 * first[0])
    per_step = pmf / step_s
    per_step /= per_step.sum()
    mean = float(per_step @ batch)
    per_token = per_step * np.maximum(0.0, mean + effect.coupling * (batch - mean))
    per_token /= per_token.sum()
    if cap is None or spread_s == 0 or per_token[-1] < 1e-6:
        return DiscreteLaw.of(step_s, per_token)
    full = _gamma_points(float(step_s[-1]), spread_s * cap**0.5)
    return DiscreteLaw.of(
        np.concatenate([step_s[:-1], full]),
        np.concatenate([per_token[:-1], np.full(full.size, per_token[-1] / full.size)]),
    )


def _gamma_points(mean: float, deviation: float, points: int = 64) -> Array:
    """Equally likely values of a gamma law, scaled to its mean."""
    shape = (mean / deviation) ** 2
    values = np.asarray(gamma_quantile(shape, (np.arange(points) + 0.5) / points))
    return np.asarray(values * (mean / values.mean()))
