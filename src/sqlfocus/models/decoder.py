"""A Llama's or Qwen's decoder in few calls, for answering.

On a small model, much of a step for one token is not reading the weights but calling into PyTorch. Here a layer takes
fewer calls than in transformers: its queries, keys and values are one product, rotary positions turn them together, and
activation and residual are added by the products themselves (:mod:`sqlfocus.models.products`). A token behind 900 takes
SmolLM2-135M 11 ms instead of 30 on two cores. What tells models apart beyond that (rotary scaling) is asked of
transformers' own module.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from transformers import DynamicCache, LlamaForCausalLM, PreTrainedModel, Qwen2ForCausalLM, Qwen3ForCausalLM

from sqlfocus.models.attention import NAME
from sqlfocus.models.branches import Branches
from sqlfocus.models.prefix import Prefix
from sqlfocus.models.products import Product, product

KNOWN = (LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM)


class Attention(Protocol):
    """What tokens attend to, layer by layer: :class:`~sqlfocus.models.branches.Branches`, or what is before them."""

    def attend(self, layer: int, query: torch.Tensor, keys_values: torch.Tensor, scale: float) -> torch.Tensor:
        """Attention of query (T, H·G, D), with keys and then values (T, 2·H, D), as (T, H·G·D)."""
        ...


class Before:
    """Tokens that attend to all before them and to themselves; keeps keys and values."""

    def __init__(self) -> None:
        self.layers: list[tuple[torch.Tensor, torch.Tensor]] = []

    def attend(self, layer: int, query: torch.Tensor, keys_values: torch.Tensor, scale: float) -> torch.Tensor:
        """See :class:`Attention`."""
        keys, values = keys_values.transpose(0, 1).contiguous().chunk(2)  # (H, T, D)
        self.layers.append((keys, values))
        groups = query.shape[1] // len(keys)
        result = torch.nn.functional.scaled_dot_product_attention(
            query.transpose(0, 1)[None],
            keys.repeat_interleave(groups, dim=0)[None],
            values.repeat_interleave(groups, dim=0)[None],
            is_causal=True,
            scale=scale,
        )
        return result[0].transpose(0, 1).flatten(1)


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer's weights."""

    before_attention: torch.Tensor
    heads: Product
    query_norm: torch.Tensor | None
    key_norm: torch.Tensor | None
    joined: Product
    before_gates: torch.Tensor
    gate: Product
    up: Product
    down: Product


class Decoder:
    """A model's weights, arranged for answering; the model that they are taken from is used up, layer by layer."""

    def __init__(self, model: PreTrainedModel) -> None:
        """Take the weights of a model that :func:`can_decode`."""
        config = model.config
        self.config = config
        self.device, self.dtype = model.device, model.dtype
        self.width = int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
        self.heads, self.key_heads = int(config.num_attention_heads), int(config.num_key_value_heads)
        self.eps = float(config.rms_norm_eps)
        inner: Any = model.model
        self._embedding = inner.embed_tokens.weight.detach()
        self._rotary = inner.rotary_emb
        self._norm = inner.norm.weight.detach()
        self._layers = []
        while len(inner.layers):
            self._layers.append(_taken(inner.layers[0]))
            del inner.layers[0]
        self._head = product([model.lm_head])

    @torch.inference_mode()
    def logits(
        self, tokens: torch.Tensor, positions: torch.Tensor, branches: Branches, wanted: torch.Tensor
    ) -> torch.Tensor:
        """(K, V) scores of what follows the tokens (T,) at the K places ``wanted``."""
        hidden = self._hidden(tokens, positions, branches)[wanted]
        return self._head(self._normed(hidden, self._norm))

    @torch.inference_mode()
    def prefix(self, tokens: torch.Tensor) -> Prefix:
        """The keys and values of a prefix (P,)."""
        before = Before()
        self._hidden(tokens, torch.arange(len(tokens), device=self.device), before)
        return Prefix(tuple(before.layers))

    def _hidden(self, tokens: torch.Tensor, positions: torch.Tensor, attention: Attention) -> torch.Tensor:
        hidden = self._embedding[tokens]
        cosine, sine = self._rotation(hidden, positions)
        scale = 1 / math.sqrt(self.width)
        half = self.width // 2
        for number, layer in enumerate(self._layers):
            heads = layer.heads(self._normed(hidden, layer.before_attention)).unflatten(1, (-1, self.width))
            if layer.query_norm is not None and layer.key_norm is not None:
                queries, keys, values = heads.split([self.heads, self.key_heads, self.key_heads], dim=1)
                queries, keys = self._normed(queries, layer.query_norm), self._normed(keys, layer.key_norm)
                heads = torch.cat([queries, keys, values], dim=1)
            heads = torch.addcmul(heads * cosine, heads.roll(half, -1), sine)
            attended = attention.attend(number, heads[:, : self.heads], heads[:, self.heads :], scale)
            hidden = layer.joined.plus(attended, hidden)
            gated = self._normed(hidden, layer.before_gates)
            hidden = layer.down.plus(layer.up.times(gated, layer.gate.silu(gated)), hidden)
        return hidden

    def _rotation(self, hidden: torch.Tensor, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What turns the heads (T, H·G + 2·H, D) by their positions, itself and its other half; values stay."""
        cosine, sine = (part[0, :, None] for part in self._rotary(hidden[None], positions[None]))  # (T, 1, D)
        first, second = sine.chunk(2, dim=-1)
        count = self.heads + self.key_heads
        shape = (-1, count, -1)
        stay = torch.ones_like(cosine).expand(-1, self.key_heads, -1)
        return (
            torch.cat([cosine.expand(shape), stay], dim=1),
            torch.cat([torch.cat([-first, second], dim=-1).expand(shape), torch.zeros_like(stay)], dim=1),
        )

    def _normed(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.rms_norm(x, weight.shape, weight, self.eps)


class PlainDecoder:
    """The same of any model, as transformers computes it: the plain twin, and for models that go on being trained."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.config = model.config
        self.device = model.device
        model.set_attn_implementation(NAME)

    @torch.inference_mode()
    def logits(
        self, tokens: torch.Tensor, positions: torch.Tensor, branches: Branches, wanted: torch.Tensor
    ) -> torch.Tensor:
        """See :class:`Decoder`."""
        ids, places = tokens[None], positions[None]
        result: torch.Tensor = self.model(
            input_ids=ids, position_ids=places, use_cache=False, logits_to_keep=wanted, branches=branches
        ).logits[0]
        return result

    @torch.inference_mode()
    def prefix(self, tokens: torch.Tensor) -> Prefix:
        """See :class:`Decoder`."""
        cache = DynamicCache(config=self.config)
        self.model(input_ids=tokens[None], past_key_values=cache, use_cache=True, logits_to_keep=1)
        return Prefix(tuple((layer.keys[0], layer.values[0]) for layer in cache.layers))


def can_decode(model: torch.nn.Module) -> bool:
    """Whether a model's decoder is one that :class:`Decoder` has: of a known kind, its weights plain, in one type."""
    if type(model) not in KNOWN:
        return False
    kinds = {type(module) for module in model.modules() if hasattr(module, "in_features")}
    windows = set(getattr(model.config, "layer_types", None) or ["full_attention"])
    types = {parameter.dtype for parameter in model.parameters()}
    return kinds == {torch.nn.Linear} and windows == {"full_attention"} and len(types) == 1


def _taken(layer: Any) -> _Layer:
    attention, gates = layer.self_attn, layer.mlp

    def norm(name: str) -> torch.Tensor | None:
        return getattr(attention, name).weight.detach() if hasattr(attention, name) else None

    return _Layer(
        layer.input_layernorm.weight.detach(),
        product([attention.q_proj, attention.k_proj, attention.v_proj]),
        norm("q_norm"),
        norm("k_norm"),
        product([attention.o_proj]),
        layer.post_attention_layernorm.weight.detach(),
        product([gates.gate_proj]),
        product([gates.up_proj]),
        product([gates.down_proj]),
    )
