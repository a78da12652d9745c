"""The fields of a Hugging Face ``config.json`` with their traps: nesting, aliases, layer types, dtypes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pdplan.errors import InputError, UnsupportedError
from pdplan.latency.shape import Dtype

_LARGEST: Final = 1_000_000_000
_SLIDING: Final = "sliding_attention"
_LAYER_TYPES: Final = frozenset({"full_attention", _SLIDING})
_DTYPES: Final[Mapping[str, Dtype]] = {
    "float32": "fp32",
    "bfloat16": "bf16",
    "float16": "fp16",
    "float8_e4m3fn": "fp8",
}
_QUANT_METHODS: Final[Mapping[str, Dtype]] = {
    "fp8": "fp8",
    "fbgemm_fp8": "fp8",
    "mxfp4": "mxfp4",
    "awq": "int4",
    "gptq": "int4",
}


@dataclass(frozen=True)
class ConfigFields:
    """The text model's part of a config, and the file it came from (for messages)."""

    values: Mapping[str, Any]
    where: str

    def count(self, key: str, *others: str, default: int | None = None) -> int:
        """Return a positive whole number under the first of the keys that is there."""
        value = next((self.values[k] for k in (key, *others) if self.values.get(k) is not None), default)
        if value is None:
            raise InputError(f"{self.where}: key {key!r} is missing")
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _LARGEST:
            raise InputError(
                f"{self.where}: key {key!r} is {str(value)[:40]}: "
                f"it must be a whole number from 1 to {_LARGEST}"
            )
        return value

    def optional_count(self, key: str) -> int | None:
        """Return a positive whole number, or None where the key is absent or null."""
        return None if self.values.get(key) is None else self.count(key)

    def count_or_zero(self, key: str) -> int:
        """Return a whole number, 0 where the key is absent, null or 0."""
        return 0 if self.values.get(key) in (None, 0) else self.count(key)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Return true or false."""
        value = default if self.values.get(key) is None else self.values[key]
        if not isinstance(value, bool):
            raise InputError(f"{self.where}: key {key!r} is {str(value)[:40]}: it must be true or false")
        return value

    def head_dim(self) -> int:
        """Return ``head_dim``, or hidden / heads where it is absent."""
        given = self.optional_count("head_dim")
        if given is not None:
            return given
        hidden, heads = self.count("hidden_size", "n_embed"), self.count("num_attention_heads", "n_head")
        if hidden % heads:
            raise InputError(
                f"{self.where}: hidden_size {hidden} is no multiple of {heads} heads and head_dim is missing"
            )
        return hidden // heads

    def layer_types(self) -> list[str] | None:
        """Return the type of every layer, or None where the config does not say."""
        types = self.values.get("layer_types")
        if types is None:
            return None
        layers = self.count("num_hidden_layers")
        if not isinstance(types, list) or len(types) != layers or not all(isinstance(t, str) for t in types):
            raise InputError(f"{self.where}: key 'layer_types' must be a list of {layers} names")
        return types

    def refuse_keys(self, *keys: str) -> None:
        """Raise `UnsupportedError` where a key says that the KV cache is not what the reader takes it for."""
        for key in keys:
            if self.values.get(key) not in (None, 0, False):
                raise UnsupportedError(
                    f"{self.where}: key {key!r} is set, and this architecture is not known with it"
                )

    def refuse_odd_layers(self) -> None:
        """Raise `UnsupportedError` where a layer is neither full nor sliding attention."""
        odd = sorted(set(self.layer_types() or ()) - _LAYER_TYPES)
        if odd:
            raise UnsupportedError(f"{self.where}: layers of type {', '.join(odd)} are not modelled")

    def sliding(self) -> tuple[int | None, int]:
        """Return the window and how many layers slide, from ``layer_types`` or the older keys.

        Without ``layer_types``: ``use_sliding_window: false`` switches the window off (Qwen), and a window
        with no switch holds for every layer (Mistral 7B v0.1), less the first ``max_window_layers`` where
        the switch is on (Qwen2).
        """
        window = self.optional_count("sliding_window")
        types = self.layer_types()
        if types is not None:
            sliding = types.count(_SLIDING)
            if sliding and window is None:
                raise InputError(f"{self.where}: {sliding} layers slide and key 'sliding_window' is missing")
            return (window, sliding) if sliding else (None, 0)
        if window is None or not self.flag("use_sliding_window", default=True):
            return None, 0
        layers = self.count("num_hidden_layers")
        full = self.count_or_zero("max_window_layers") if self.values.get("use_sliding_window") else 0
        return (window, layers - full) if full < layers else (None, 0)

    def weights_dtype(self) -> Dtype:
        """Return the dtype the weights were released in."""
        quant = self.values.get("quantization_config")
        if quant is not None:
            return _quantised_dtype(quant, self.where)
        given = self.values.get("dtype") or self.values.get("torch_dtype") or "bfloat16"
        name = str(given).removeprefix("torch.")
        if name not in _DTYPES:
            raise UnsupportedError(f"{self.where}: dtype {name[:40]!r} is not modelled")
        return _DTYPES[name]


def text_fields(document: Mapping[str, Any], where: str) -> ConfigFields:
    """Return the fields of the text model: those of a nested ``text_config`` over the outer keys."""
    nested = document.get("text_config")
    if nested is None:
        return ConfigFields(document, where)
    if not isinstance(nested, dict):
        raise InputError(f"{where}: key 'text_config' must be a mapping")
    return ConfigFields({**document, **nested}, where)


def _quantised_dtype(quant: Any, where: str) -> Dtype:
    """Return the dtype that a ``quantization_config`` says."""
    if not isinstance(quant, dict):
        raise InputError(f"{where}: key 'quantization_config' must be a mapping")
    method = str(quant.get("quant_method", "")).lower()
    if method in ("awq", "gptq"):
        bits = quant.get("bits", quant.get("w_bit", 4))
        if bits in (4, 8):
            return "int4" if bits == 4 else "int8"
    elif method in _QUANT_METHODS:
        return _QUANT_METHODS[method]
    elif method == "modelopt":
        algorithm = str(quant.get("quant_algo", "")).upper()
        if algorithm in ("FP8", "NVFP4"):
            return "fp8" if algorithm == "FP8" else "fp4"
    elif method == "compressed-tensors":
        return _compressed_dtype(quant, where)
    raise UnsupportedError(
        f"{where}: quantisation {method[:40] or 'without a quant_method'!r} is not modelled"
    )


def _compressed_dtype(quant: Mapping[str, Any], where: str) -> Dtype:
    """Return the weight dtype of a compressed-tensors config whose groups agree."""
    groups = quant.get("config_groups")
    weights = [g.get("weights") for g in groups.values()] if isinstance(groups, dict) else []
    found = {(w.get("type"), w.get("num_bits")) for w in weights if isinstance(w, dict)}
    known: dict[tuple[Any, Any], Dtype] = {
        ("float", 8): "fp8",
        ("int", 8): "int8",
        ("int", 4): "int4",
        ("float", 4): "fp4",
    }
    if len(found) == 1 and (dtype := known.get(next(iter(found)))):
        return dtype
    raise UnsupportedError(f"{where}: compressed-tensors groups {sorted(map(str, found))} are not modelled")
