"""From the columns of all blocks to one trace in order of arrival."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InputError
from pdplan.workload.formats.columns import Codes, Columns
from pdplan.workload.formats.layout import Layout
from pdplan.workload.hashes import BlockHashes
from pdplan.workload.law import Array
from pdplan.workload.sessions import chain_roots, delayed_arrivals
from pdplan.workload.traces import Labels, Skipped, Trace

_EPOCH_FROM_S: Final = 631152000.0  # 1990-01-01: a larger number of seconds is a date, not an offset
_YEAR_S: Final = 3.156e7
_MOST_YEARS: Final = 100.0  # more is no trace, but a slip of the unit
_FITS: Final = 0.99  # share of prompts whose blocks must fit
_TELLING: Final = 10  # prompts of several blocks from which another size can be told


def assemble(parts: list[Columns], layout: Layout, source: str, skipped: tuple[Skipped, ...]) -> Trace:
    """Return the trace of these columns; the list is emptied on the way, to hold one copy only.

    Raises
    ------
    InputError
        No request at all, a span of more than a hundred years, or a turn that waits for a turn that is not
        there.
    """
    total = sum(part.prompt_tokens.size for part in parts)
    failures = sum(part.failures for part in parts)
    if total == 0:
        what = "no request that can be read" if skipped else "a header and no requests"
        raise InputError(f"trace {source}: {what if not failures else 'all requests failed'}")
    notes = [f"{failures} {layout.failures} were left out"] if failures else []
    texts = {name: merged_texts(parts, name) for name in layout.texts}
    sessions = _sessions(layout, texts)
    hashes = _hashes(parts)
    prompts, outputs = [p.prompt_tokens for p in parts], [p.output_tokens for p in parts]
    arrivals = [p.arrival_s for p in parts if p.arrival_s is not None]
    delays = [p.delay_s for p in parts if p.delay_s is not None]
    parts.clear()
    prompt, output = joined(prompts), joined(outputs)
    arrival = joined(arrivals) if layout.time is not None else np.zeros(total)
    waiting = int(np.isnan(arrival).sum()) if delays else 0
    if waiting:
        notes.append(
            f"{waiting} turns wait for the answer of the turn before; they were placed their delay after its "
            "arrival, so in service they come later"
        )
        arrival = delayed_arrivals(arrival, joined(delays), sessions, source)
    if layout.time is None:
        notes.append("no times of arrival: lengths only")
    order = _order(arrival, notes)
    if order is not None:
        arrival, prompt, output = arrival[order], prompt[order], output[order]
        hashes = None if hashes is None else hashes.reordered(order)
        sessions = None if sessions is None else sessions[order]
    start = float(arrival[0])
    years = (float(arrival[-1]) - start) / _YEAR_S
    if years > _MOST_YEARS:
        raise InputError(
            f"trace {source}: the requests span {years:.3g} years: is the unit of {layout.time} right?"
        )
    arrival -= start
    block_tokens = None if hashes is None else _block_tokens(hashes, prompt, layout, notes)
    labels = _labels(layout, texts, order)
    return Trace(
        arrival,
        prompt,
        output,
        hashes,
        block_tokens,
        layout.format,
        source,
        labels,
        sessions,
        start if layout.time is not None and start > _EPOCH_FROM_S else None,
        tuple(notes),
        skipped,
    )


def joined(arrays: list[NDArray[Any]]) -> Array:
    """Return the arrays as one of floats; the list is emptied on the way, so that blocks are freed.

    Examples
    --------
    >>> joined([np.array([1.0]), np.array([2.0, 3.0])]).tolist()
    [1.0, 2.0, 3.0]
    """
    whole = np.empty(sum(a.size for a in arrays))
    at = 0
    while arrays:
        piece = arrays.pop(0)
        whole[at : at + piece.size] = piece
        at += piece.size
    return whole


def merged_texts(parts: Sequence[Columns], name: str) -> tuple[Codes, tuple[str, ...]]:
    """Return one column of text of all blocks: codes, and the distinct values in order of appearance."""
    known: dict[str, int] = {}
    codes = []
    for part in parts:
        text = part.texts[name]
        place = np.array([known.setdefault(v, len(known)) for v in text.values], dtype=np.int32)
        codes.append(place[text.codes] if place.size else text.codes)
    return np.concatenate(codes), tuple(known)


def _order(arrival: Array, notes: list[str]) -> NDArray[np.intp] | None:
    """Return the order of arrival, None where the rows have it already."""
    back = int(np.count_nonzero(arrival[1:] < arrival[:-1]))
    if not back:
        return None
    notes.append(f"{back} of {arrival.size} rows were earlier than the row before: sorted by time")
    return np.argsort(arrival, kind="stable")


def _block_tokens(hashes: BlockHashes, prompt: Array, layout: Layout, notes: list[str]) -> int | None:
    """Return the tokens of a block: the documented ones, or those that the lengths fit, and say so."""
    documented = layout.block_tokens
    if documented is None:
        return None
    counts = hashes.counts

    def fit(block: int) -> float:
        # the last, partial block may or may not have an identity
        return float(np.mean((counts == np.ceil(prompt / block)) | (counts == np.floor(prompt / block))))

    if fit(documented) >= _FITS:
        return documented
    if layout.block_choices and np.count_nonzero(counts > 1) >= _TELLING:
        best = max(layout.block_choices, key=fit)
        if fit(best) >= _FITS:
            notes.append(f"hash_ids fit blocks of {best} tokens and not the usual {documented}: {best} taken")
            return best
    notes.append(
        f"{1 - fit(documented):.0%} of the hash_ids do not fit prompts in blocks of {documented} tokens, so "
        "what is said of reuse is a guess"
    )
    return documented


def _labels(
    layout: Layout, texts: dict[str, tuple[Codes, tuple[str, ...]]], order: NDArray[np.intp] | None
) -> Labels | None:
    """Return the labels of the columns together, in the order of the requests."""
    if not layout.labels:
        return None
    codes, values = texts[layout.labels[0]]
    for name in layout.labels[1:]:
        more, others = texts[name]
        codes = codes * np.int32(len(others)) + more
        values = tuple(f"{a}, {b}" for a in values for b in others)
    used, place = np.unique(codes if order is None else codes[order], return_inverse=True)
    return Labels(
        " and ".join(name.strip() for name in layout.labels),
        tuple(values[k] for k in used),
        place.astype(np.int32),
    )


def _hashes(parts: Sequence[Columns]) -> BlockHashes | None:
    ids = [p.hash_ids for p in parts if p.hash_ids is not None]
    counts = [p.hash_counts for p in parts if p.hash_counts is not None]
    return BlockHashes.counted(np.concatenate(ids), np.concatenate(counts)) if ids else None


def _sessions(layout: Layout, texts: dict[str, tuple[Codes, tuple[str, ...]]]) -> Codes | None:
    """Return the number of each request's conversation, -1 where it has none."""
    if layout.session is None:
        return None
    codes, values = texts[layout.session]
    if layout.parent is not None:
        return chain_roots(codes, values, *texts[layout.parent])
    empty = np.array([not v for v in values])
    return np.where(empty[codes], np.int32(-1), codes)
