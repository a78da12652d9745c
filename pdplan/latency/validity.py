"""Labels for numbers asked of a latency model beyond what it was made for."""

from __future__ import annotations

from pdplan.latency.model import LatencyModel


def validity_notes(
    model: LatencyModel, *, longest_prompt_tokens: float | None = None, largest_batch: float | None = None
) -> tuple[str, ...]:
    """Return one line for each range that is left, none where all is within.

    Examples
    --------
    >>> from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
    >>> fit = Fitted(PrefillFit(0.02, 1e-4), (DecodeFit(0.02, 1e-4),), (128, 8192), (1, 64), "bench")
    >>> validity_notes(fit, longest_prompt_tokens=16000, largest_batch=32)
    ('prompts of 16,000 tokens are beyond the 8,192 that the latency model was made for',)
    """
    notes = []
    for asked, (_, highest), what in (
        (longest_prompt_tokens, model.prefill_range, "prompts of {:,.0f} tokens are"),
        (largest_batch, model.decode_range, "a batch of {:,.0f} is"),
    ):
        if asked is not None and asked > highest:
            notes.append(
                f"{what.format(asked)} beyond the {highest:,.0f} that the latency model was made for"
            )
    return tuple(notes)
