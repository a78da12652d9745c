"""The science of this field as formulas: prefill, the link, decode, and whether splitting them pays."""
