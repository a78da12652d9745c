"""Which Hugging Face repository a model of the catalog is served from."""

from __future__ import annotations

from pdplan.errors import InputError, UnknownNameError
from pdplan.interop.deploy.names import is_hf_id
from pdplan.spec.catalog import catalog_document
from pdplan.spec.model_spec import ModelSpec


def hugging_face_id(written: str, model: ModelSpec) -> tuple[str, str]:
    """Return the Hugging Face id of a model, and what to say of the choice.

    The id that the scenario wrote, else the first of the catalog's; the catalog may know more of its shape.

    Raises
    ------
    InputError
        The model is a config file: nothing says where its weights are.

    Examples
    --------
    >>> from pdplan.spec.catalog import load_model
    >>> hugging_face_id("qwen3-32b", load_model("qwen3-32b"))
    ('Qwen/Qwen3-32B', '')
    """
    try:
        aliases = catalog_document("architectures", model.name).get("aliases", [])
    except UnknownNameError:
        aliases = []
    known = [str(a) for a in aliases if "/" in str(a) and is_hf_id(str(a))]
    if not known:
        raise InputError(
            f"model {written}: its Hugging Face id is not known: give --model-id ORG/NAME or a path"
        )
    for name in known:
        if name.lower() == written.strip().lower():
            return name, ""
    if len(known) == 1:
        return known[0], ""
    others = ", ".join(known[1:])
    return known[
        0
    ], f"{known[0]} is the first of the models of this shape; --model-id takes another: {others}"
