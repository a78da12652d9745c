"""How much of a trace's prompts a prefix cache would have held."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pdplan.errors import InputError
from pdplan.workload.law import Array


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
    hash_ids: Sequence[Sequence[int]],
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
    hash_ids : sequence of sequences of int
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
    cache: OrderedDict[int, None] = OrderedDict()
    hits = np.zeros(prompt_tokens.size)
    for i, blocks in enumerate(hash_ids):
        found = next((k for k, block in enumerate(blocks) if block not in cache), len(blocks))
        hits[i] = found
        for block in reversed(blocks):
            cache[block] = None
            cache.move_to_end(block)
        while cache_blocks is not None and len(cache) > cache_blocks:
            cache.popitem(last=False)
    return PrefixReuse(np.minimum(hits * block_tokens, prompt_tokens), prompt_tokens, cache_blocks)
