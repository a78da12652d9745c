"""Labels for numbers asked of a latency model beyond what it was made for."""

from __future__ import annotations

from pdplan.latency.model import LatencyModel

#: Contexts this far beyond those measured are not worth a word: means of lengths are not known better.
NEAR = 0.1


def validity_notes(
    model: LatencyModel,
    *,
    longest_prompt_tokens: float | None = None,
    largest_batch: float | None = None,
    mean_context_tokens: float | None = None,
    context_sum_tokens: float | None = None,
) -> tuple[str, ...]:
    """Return one line for each range that is left, none where all is within.

    Parameters
    ----------
    model : LatencyModel
        Ranges of contexts are checked where it says them (``context_range``, ``context_sum_range``).
    longest_prompt_tokens, largest_batch : float, optional
        [tok], [-].
    mean_context_tokens, context_sum_tokens : float, optional
        Context of a sequence, and of all sequences of a decode step together [tok].

    Examples
    --------
    >>> from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
    >>> fit = Fitted(PrefillFit(0.02, 1e-4), (DecodeFit(0.02, 1e-4),), (128, 8192), (1, 64), "bench",
    ...              context_range=(350, 350))
    >>> validity_notes(fit, longest_prompt_tokens=16000, largest_batch=32)
    ('prompts of 16,000 tokens are beyond the 8,192 that the latency model was made for',)
    >>> validity_notes(fit, mean_context_tokens=2000)
    ('a mean context of 2,000 tokens is outside the 350 that the latency model was made for',)
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
    measured = getattr(model, "context_range", None)
    if mean_context_tokens is not None and measured is not None and _left(mean_context_tokens, measured):
        notes.append(
            f"a mean context of {mean_context_tokens:,.0f} tokens is outside the {_shown(measured)} that the "
            "latency model was made for"
        )
    summed = getattr(model, "context_sum_range", None)
    if context_sum_tokens is not None and summed is not None and context_sum_tokens > summed[1] * (1 + NEAR):
        notes.append(
            f"contexts of {context_sum_tokens:,.0f} tokens in a decode step are beyond the {summed[1]:,.0f} "
            "that the latency model was made for"
        )
    return tuple(notes)


def _left(value: float, span: tuple[float, float]) -> bool:
    return not span[0] * (1 - NEAR) <= value <= span[1] * (1 + NEAR)


def _shown(span: tuple[float, float]) -> str:
    return f"{span[0]:,.0f}" if span[0] == span[1] else f"{span[0]:,.0f} to {span[1]:,.0f}"
