"""Decode points out of one run whose requests are known one by one: many batches instead of one mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pdplan.latency.interpolate import Array
from pdplan.latency.measured import DecodePoint, ServedRequest

#: Groups of requests by the batch that they met, at most, and requests in a group, at least.
GROUPS, LEAST = 8, 25
#: Requests of fewer tokens met too few steps to have a mean.
STEPS = 16


def grouped_decode_points(
    served: Sequence[ServedRequest], instances: float = 1.0, tp: int = 1, pp: int = 1
) -> tuple[DecodePoint, ...]:
    r"""Return the median TPOT of groups of requests, by the batch that each met while it decoded.

    Request i decodes from its first token to its last; it met the batch :math:`\int B\,dt / T_i` and the mean
    context :math:`\int C\,dt / \int B\,dt`, where B requests decode and C sums their contexts (prompt and
    half the output). No group where requests are too few or do not say when they were sent.

    Parameters
    ----------
    served : sequence of ServedRequest
    instances : float
        Decode instances that share the requests [-].

    Notes
    -----
    A TPOT holds whatever came between decode steps; groups of one run are not independent of each other.

    Examples
    --------
    >>> pair = [ServedRequest(0.0, 1000, 101, 1.0, 3.0), ServedRequest(1.0, 1000, 101, 1.0, 3.0)]
    >>> met = met_while_decoding(pair)                             # decode on 1..3 and on 2..4
    >>> met[0].tolist(), met[1].tolist()
    ([1.5, 1.5], [1050.5, 1050.5])
    """
    long = [r for r in served if r.output_tokens >= STEPS]
    if len(long) < 2 * LEAST or any(r.sent_s is None for r in served):
        return ()
    several = [r for r in served if r.output_tokens > 1]
    batch, context = met_while_decoding(several)
    enough = np.array([r.output_tokens >= STEPS for r in several])
    tpot = np.array([(r.e2e_s - r.ttft_s) / (r.output_tokens - 1) for r in several])
    batch, context, tpot = batch[enough], context[enough], tpot[enough]
    found = []
    for group in np.array_split(np.argsort(batch, kind="stable"), min(GROUPS, tpot.size // LEAST)):
        mean = 1.0 + (float(batch[group].mean()) - 1.0) / instances
        seconds = float(np.median(tpot[group]))
        if seconds > 0:
            found.append(DecodePoint(mean, float(context[group].mean()), seconds, tp, pp, group.size))
    return tuple(found)


def met_while_decoding(served: Sequence[ServedRequest]) -> tuple[Array, Array]:
    """Return the mean batch and mean context [tok] that each request met between its first and last token."""
    sent = np.array([r.sent_s or 0.0 for r in served])
    begin = sent + np.array([r.ttft_s for r in served])
    end = sent + np.array([r.e2e_s for r in served])
    context = np.array([r.prompt_tokens + r.output_tokens / 2.0 for r in served])
    times = np.concatenate([begin, end])
    order = np.argsort(times, kind="stable")
    times = times[order]
    spans = np.diff(times)
    running = np.cumsum(np.concatenate([np.ones_like(begin), -np.ones_like(end)])[order])[:-1]
    tokens = np.cumsum(np.concatenate([context, -context])[order])[:-1]
    batches = _between(begin, end, times, np.concatenate([[0.0], np.cumsum(running * spans)]))
    contexts = _between(begin, end, times, np.concatenate([[0.0], np.cumsum(tokens * spans)]))
    took = np.maximum(end - begin, 1e-12)
    return np.maximum(batches / took, 1.0), contexts / np.maximum(batches, 1e-12)


def _between(begin: Array, end: Array, times: Array, integral: Array) -> Array:
    """Integral of a step function from ``begin`` to ``end``, given its integral at ``times``."""
    return np.asarray(np.interp(end, times, integral) - np.interp(begin, times, integral))
