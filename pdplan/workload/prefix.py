"""How much of a trace's prompts a prefix cache would have held."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pdplan.errors import InputError
from pdplan.workload.hashes import BlockHashes, Ids
from pdplan.workload.law import Array

_COMPILE_FROM: Final = 3_000_000  # blocks from which compiled code saves more than compiling costs


@dataclass(frozen=True, eq=False)
class PrefixReuse:
    """Prompt tokens found in the cache, request by request.

    Parameters
    ----------
    cached_tokens : array, shape (n,)
        Leading tokens of each prompt that were cached [tok].
    prompt_tokens : array, shape (n,)
        The prompts [tok].
    cache_blocks : int or None
        Blocks the cache held; None for a cache without limit.
    """

    cached_tokens: Array
    prompt_tokens: Array
    cache_blocks: int | None

    @property
    def hit_ratio(self) -> float:
        """Share of all prompt tokens that were cached [-]."""
        return float(self.cached_tokens.sum() / self.prompt_tokens.sum())

    @property
    def uncached_tokens(self) -> Array:
        """Tokens left to prefill, request by request [tok]."""
        return self.prompt_tokens - self.cached_tokens


def prefix_reuse(
    hash_ids: BlockHashes | Sequence[Sequence[int]],
    prompt_tokens: Array,
    block_tokens: int,
    cache_blocks: int | None = None,
) -> PrefixReuse:
    """Return what a prefix cache would have held of each prompt, in the order of arrival.

    One cache sees all requests. A prompt hits as many leading blocks as are cached without a break; then all
    its blocks enter, and the least recently used leave. Within a prompt the last block counts as the oldest,
    because a prefix is worth more than what follows it.

    Parameters
    ----------
    hash_ids : BlockHashes or sequence of sequences of int
        Chained identities of the blocks of each prompt.
    prompt_tokens : array
        Prompt lengths [tok].
    block_tokens : int
        Tokens of a block [tok].
    cache_blocks : int, optional
        Blocks the cache holds; without it nothing ever leaves.

    Raises
    ------
    InputError
        As many prompts as hash lists are needed, and a cache of at least one block.

    Examples
    --------
    >>> prompts = np.array([1000.0, 1400.0, 300.0, 1000.0])
    >>> reuse = prefix_reuse([(1, 2), (1, 2, 3), (9,), (1, 4)], prompts, 512)
    >>> reuse.cached_tokens.tolist(), round(reuse.hit_ratio, 3)
    ([0.0, 1024.0, 0.0, 512.0], 0.415)
    """
    if len(hash_ids) != prompt_tokens.size:
        raise InputError(f"{len(hash_ids)} hash lists for {prompt_tokens.size} prompts: give one for each")
    if block_tokens < 1 or (cache_blocks is not None and cache_blocks < 1):
        raise InputError(
            f"a cache of {cache_blocks} blocks of {block_tokens} tokens: both must be at least 1"
        )
    hashes = hash_ids if isinstance(hash_ids, BlockHashes) else BlockHashes.of(hash_ids)
    _, first, block = np.unique(hashes.ids, return_index=True, return_inverse=True)
    if cache_blocks is None or cache_blocks >= first.size:  # nothing ever has to leave
        hits = _unlimited_hits(hashes, first, block)
    elif hashes.ids.size < _COMPILE_FROM:
        hits = _limited_hits(hashes, block, cache_blocks)
    else:
        from pdplan.workload.lru import lru_hits

        hits = lru_hits(block, hashes.starts, first.size, cache_blocks)
    return PrefixReuse(np.minimum(hits * float(block_tokens), prompt_tokens), prompt_tokens, cache_blocks)


def _unlimited_hits(hashes: BlockHashes, first: Ids, block: Ids) -> Ids:
    """Return the leading blocks of each prompt that an earlier prompt had."""
    owner = np.searchsorted(hashes.starts, first, side="right") - 1  # the prompt that brought each block
    mine = np.repeat(np.arange(len(hashes)), hashes.counts)
    new = np.flatnonzero(owner[block] == mine)  # blocks that nobody had before
    after = np.searchsorted(new, hashes.starts[:-1])
    first_new = np.append(new, hashes.ids.size)[after]
    hits: Ids = np.minimum(first_new, hashes.starts[1:]) - hashes.starts[:-1]
    return hits


def _limited_hits(hashes: BlockHashes, block: Ids, cache_blocks: int) -> Ids:
    """Return the leading cached blocks of each prompt, with an ordered dictionary."""
    cache: OrderedDict[int, None] = OrderedDict()
    hits = np.zeros(len(hashes), np.int64)
    starts = hashes.starts.tolist()
    for i in range(len(hashes)):
        blocks = block[starts[i] : starts[i + 1]].tolist()
        hits[i] = next((k for k, b in enumerate(blocks) if b not in cache), len(blocks))
        for b in reversed(blocks):
            cache[b] = None
            cache.move_to_end(b)
        while len(cache) > cache_blocks:
            cache.popitem(last=False)
    return hits
