"""The parameters of a transformer by kind, as the step-time models need them apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ParameterGroups:
    """Matrix parameters of one layer by kind, and how many layers there are of each [parameters].

    ``output_head`` is what the last matrix multiplication reads; with tied embeddings it is the same
    memory as ``input_embedding`` and is stored once.
    """

    input_embedding: int
    output_head: int
    tied_embeddings: bool
    attention_per_layer: int
    dense_ffn_per_layer: int
    shared_ffn_per_layer: int
    router_per_layer: int
    expert: int
    experts_per_layer: int
    experts_per_token: int
    dense_layers: int
    moe_layers: int

    @property
    def layers(self) -> int:
        """All layers."""
        return self.dense_layers + self.moe_layers

    @property
    def attention(self) -> int:
        """Attention projections of all layers."""
        return self.layers * self.attention_per_layer

    @property
    def ffn_shared(self) -> int:
        """Feed-forward parameters that every token visits: dense layers and shared experts."""
        return self.dense_layers * self.dense_ffn_per_layer + self.moe_layers * self.shared_ffn_per_layer

    @property
    def router(self) -> int:
        """Routers of all layers."""
        return self.moe_layers * self.router_per_layer

    @property
    def experts(self) -> int:
        """All routed experts of all layers."""
        return self.moe_layers * self.experts_per_layer * self.expert

    @property
    def experts_active(self) -> int:
        """Routed experts that one token visits, over all layers."""
        return self.moe_layers * self.experts_per_token * self.expert

    @property
    def embeddings(self) -> int:
        """Stored embedding matrices: one when tied, else two."""
        return self.input_embedding + (0 if self.tied_embeddings else self.output_head)
