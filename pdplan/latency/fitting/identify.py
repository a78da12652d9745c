"""What a set of measurements can and cannot say of each term, in sentences for people."""

from __future__ import annotations

import numpy as np

from pdplan.latency.fitting.points import Steps
from pdplan.latency.fitting.regimes import Regimes
from pdplan.latency.fitting.terms import APART, HARD, Share, condition_number, shares, told_apart
from pdplan.latency.interpolate import Array

_NAMED = {
    "fixed": "the fixed term",
    "per_token": "the term per token",
    "per_token_sq": "the quadratic term",
    "per_sequence": "the batch term",
    "per_context_token": "the KV term",
}


def identifiability(steps: Steps, regimes: Regimes, validated: bool) -> tuple[str, ...]:
    """Return one sentence for each thing these points leave open, none where all terms are clear."""
    notes = list(_prefill(steps) if steps.kind == "prefill" else _decode(steps))
    if len(regimes.coefficients) == 2:
        notes.append(f"two regimes: from batch {regimes.from_batch[1]:g} the coefficients change")
    else:
        notes += _terms(steps, regimes)
    if not validated:
        notes.append(
            f"{len(steps)} operating point{'' if len(steps) == 1 else 's'}: the fit passes through all of "
            "them, so its error is not known"
        )
    return tuple(notes)


def _prefill(steps: Steps) -> list[str]:
    lengths = steps.at.sum(axis=1)
    missing = set(range(3)) - set(told_apart(steps))
    if 0 in missing:
        return [
            f"one prompt length only ({_few(lengths)} tokens): time is taken as proportional to the prompt; "
            "measure a second length for the fixed term, a third for the quadratic one"
        ]
    if 2 in missing:
        return [
            f"prompt lengths {_few(lengths)}: the quadratic term cannot be told from the others "
            "and is left at 0; measure long prompts"
        ]
    return []


def _decode(steps: Steps) -> list[str]:
    batch, context = steps.at[:, 0], steps.at[:, 1]
    terms = told_apart(steps)
    notes = []
    if 1 not in terms:
        notes.append(
            f"one batch size only ({_few(batch)}): how a step grows with the batch cannot be "
            "known; measure others"
        )
    if np.isnan(context).all():
        notes.append(
            "contexts are not said: the KV term is left at 0 and its time is in the other terms; "
            "other contexts than these will be wrong"
        )
    elif 2 not in terms:
        what = "were all" if _alike(context) else "and batches moved together, contexts being"
        notes.append(
            f"contexts {what} {_few(context)} tokens: the KV term cannot be told from the batch term and is "
            "left at 0; its time is in the others, which hold at these contexts only"
        )
    else:
        smallest = batch <= batch.min() * (1 + APART)
        rest = context[~smallest]
        if rest.size and _alike(rest) and not _alike(context):
            notes.append(
                f"contexts were varied at batch {_few(batch[smallest])} only; larger batches all had "
                f"{_few(rest)} tokens"
            )
    return notes


def _terms(steps: Steps, regimes: Regimes) -> list[str]:
    terms = told_apart(steps)
    found = shares(steps, terms, regimes.coefficients[0])
    notes = [_weak(s) for s in found if s.share > 0 and s.weak]
    zero = [_NAMED[s.term] for s in found if s.share == 0]
    if zero:
        notes.append(f"{' and '.join(zero)} came out at 0: these points show no sign of it")
    hard = condition_number(steps, terms)
    if hard > HARD:
        notes.append(
            f"the terms are hard to tell apart (condition number {hard:.0f}, above {HARD:.0f}): "
            "times within the measured range hold better than single coefficients"
        )
    return notes


def _weak(share: Share) -> str:
    return (
        f"{_NAMED[share.term]} is uncertain: at most {100 * share.share:.1f}% of a step, "
        f"give or take {100 * (share.error or 0.0):.1f}%"
    )


def _alike(values: Array) -> bool:
    return bool(values.max() <= values.min() * (1 + APART))


def _few(values: Array) -> str:
    low, high = float(values.min()), float(values.max())
    return rounded(low) if high <= low * (1 + APART) else f"{rounded(low)} to {rounded(high)}"


def rounded(value: float) -> str:
    """Write a number of tokens or sequences: whole from 10 on, three figures below.

    Examples
    --------
    >>> rounded(16372.0), rounded(1.148)
    ('16,372', '1.15')
    """
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"
