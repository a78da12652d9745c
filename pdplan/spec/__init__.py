"""What is asked and what there is: scenarios, and the catalog of models, accelerators and links."""

from pdplan.spec.accelerator import Accelerator, Price
from pdplan.spec.catalog import (
    KINDS,
    catalog_aliases,
    catalog_document,
    catalog_names,
    catalog_path,
    catalog_root,
    load_accelerator,
    load_link,
    load_model,
)
from pdplan.spec.items import Source
from pdplan.spec.link import Link
from pdplan.spec.model_spec import ModelSpec

__all__ = [
    "KINDS",
    "Accelerator",
    "Link",
    "ModelSpec",
    "Price",
    "Source",
    "catalog_aliases",
    "catalog_document",
    "catalog_names",
    "catalog_path",
    "catalog_root",
    "load_accelerator",
    "load_link",
    "load_model",
]
