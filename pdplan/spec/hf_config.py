"""Read a Hugging Face ``config.json`` into a `ModelSpec`; refuse by name what is not understood.

A reader exists only where the KV cache and the parameters of the architecture are what `ModelShape` says.
Everything else is refused, because a guessed KV size is worse than none.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from pdplan.errors import InputError, UnsupportedError, did_you_mean
from pdplan.spec.document import read_text
from pdplan.spec.hf_fields import text_fields
from pdplan.spec.hf_readers import READERS
from pdplan.spec.model_spec import ModelSpec, require_shape

#: architecture -> why it is not modelled
REFUSED: Final = {
    "DeepseekV32": "its sparse attention index keeps more KV, and reads less, than the shape can say",
    "DeepseekV4": "its compressed sparse attention keeps KV that the shape cannot say",
    "Gemma3n": "its layers share KV and embed every layer's input, which the shape cannot say",
    "Gemma4": "its full and sliding layers have different KV heads and head sizes",
    "GlmMoeDsa": "its sparse attention index keeps more KV, and reads less, than the shape can say",
    "Jamba": "its Mamba layers keep a state instead of KV",
    "KimiLinear": "its linear-attention layers keep a state instead of KV",
    "Llama4": "its chunked attention keeps less KV than the shape can say",
    "MiniMaxM1": "its linear-attention layers keep a state instead of KV",
    "NemotronH": "its Mamba layers keep a state instead of KV",
    "Qwen3Next": "its linear-attention layers keep a state instead of KV",
    "Qwen3_5": "its linear-attention layers keep a state instead of KV",
}
_SUFFIXES: Final = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel", "Model")


def model_from_hf_config(path: str | Path) -> ModelSpec:
    """Read the ``config.json`` of a model.

    Parameters
    ----------
    path : str or Path
        The file.

    Raises
    ------
    InputError
        Not a readable JSON mapping, a missing dimension, or one out of range; the message names the file.
    UnsupportedError
        An architecture, or a layer type, that is not modelled; the message names it.
    """
    path = Path(path)
    document = _read_json(path)
    where = str(path)
    architecture = _architecture(document, where)
    reader = READERS.get(architecture)
    if reader is None:
        raise UnsupportedError(f"{where}: {_refusal(architecture)}")
    fields = text_fields(document, where)
    fields.refuse_odd_layers()
    shape = reader(fields)
    try:
        require_shape(shape)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    # Built without validation: a file on the user's disk has no catalog name and no web source.
    return ModelSpec.model_construct(
        name=path.resolve().parent.name if path.name == "config.json" else path.stem,
        aliases=(),
        notes=f"read from {path}",
        sources=(),
        family=architecture,
        shape=shape,
        weights_dtype=fields.weights_dtype(),
    )


def _read_json(path: Path) -> dict[str, Any]:
    text = read_text(path)
    try:
        document = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(
            f"{path}{line}: is not JSON ({getattr(error, 'msg', 'nested too deeply')})"
        ) from error
    if not isinstance(document, dict):
        raise InputError(f"{path}: must be a JSON object, as a Hugging Face config.json is")
    return document


def _architecture(document: dict[str, Any], where: str) -> str:
    """Return the architecture without its suffix: ``LlamaForCausalLM`` is ``Llama``."""
    names = document.get("architectures")
    if not isinstance(names, list) or len(names) != 1 or not isinstance(names[0], str):
        raise InputError(f"{where}: key 'architectures' must be a list of one name, and is {names!r:.80}")
    name: str = names[0]
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and name != suffix:
            return name.removesuffix(suffix)
    return name


def _refusal(architecture: str) -> str:
    reason = next((why for stem, why in REFUSED.items() if architecture.startswith(stem)), None)
    if reason is None:
        reason = "it is not known here" + did_you_mean(architecture, READERS).replace("; did", " (did", 1)
        reason = reason.replace("?", "?)")
    return f"architecture {architecture} is not modelled: {reason}"
