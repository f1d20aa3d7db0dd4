"""The transformers engine: greedy decoding in batches whose shared prefix is computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from sqlfocus.corpus.prefix import group_by_prefix, shared_length
from sqlfocus.corpus.prompt import DEFAULT_TEMPLATE, Prompt, PromptTemplate, template_named
from sqlfocus.errors import UserError
from sqlfocus.inference.chat import end_token, prompt_ids
from sqlfocus.inference.constraint.guide import Constraint, Guide, Vocabulary
from sqlfocus.inference.engine import Completion
from sqlfocus.models import attention
from sqlfocus.models.attention import Branches
from sqlfocus.models.loading import load_model
from sqlfocus.schema.mschema import Database

CONSTRAINTS_KEPT = 64
"""For how many databases the automaton of their SQL is kept."""


class TransformersEngine:
    """Completes prompts with a transformers model.

    Prompts that begin alike (the questions on one database) are decoded together: their prefix goes through the model
    once, its keys and values are kept once for all, and only what follows is computed for each.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, name: str, batch_size: int = 16
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.name = name
        self.batch_size = batch_size
        self.end = end_token(tokenizer)
        self._vocabulary: Vocabulary | None = None
        self._constraints: dict[Database, Constraint] = {}
        model.set_attn_implementation(attention.NAME)

    def complete(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int = 256,
        databases: Sequence[Database | None] | None = None,
        on_done: Callable[[int], None] | None = None,
    ) -> list[Completion]:
        """See :class:`sqlfocus.inference.engine.Engine`."""
        sequences = [prompt_ids(self.tokenizer, prompt) for prompt in prompts]
        completions: list[Completion | None] = [None] * len(prompts)
        for group in group_by_prefix(sequences):
            # The prefix of the whole group, not of a batch: its keys and values then serve every batch.
            length = shared_length([sequences[index] for index in group])
            prefix = self._prefill(sequences[group[0]][:length])
            for start in range(0, len(group), self.batch_size):
                batch = group[start : start + self.batch_size]
                rests = [sequences[index][length:] for index in batch]
                guides = [self._guide(databases[index] if databases else None) for index in batch]
                decoded = self._decode(prefix, rests, guides, max_new_tokens)
                for index, tokens, guide in zip(batch, decoded, guides, strict=True):
                    finished = bool(tokens) and tokens[-1] == self.end
                    text = self.tokenizer.decode(tokens[:-1] if finished else tokens, skip_special_tokens=True)
                    completions[index] = Completion(text, len(tokens), finished, guide is not None and guide.stuck)
                if on_done is not None:
                    on_done(len(batch))
        return [completion for completion in completions if completion is not None]

    def _guide(self, database: Database | None) -> Guide | None:
        if database is None:
            return None
        if self._vocabulary is None:
            self._vocabulary = Vocabulary(self.tokenizer, self.end, self.model.config.vocab_size)
        if database not in self._constraints:
            if len(self._constraints) == CONSTRAINTS_KEPT:
                del self._constraints[next(iter(self._constraints))]
            self._constraints[database] = Constraint(self._vocabulary, database)
        return self._constraints[database].guide()

    @torch.inference_mode()
    def _prefill(self, prefix: list[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Each layer's keys and values of ``prefix``, (H, P, D)."""
        cache = DynamicCache(config=self.model.config)
        ids = torch.tensor([prefix or [self.end]], device=self.model.device)
        self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return [(layer.keys[0, :, : len(prefix)], layer.values[0, :, : len(prefix)]) for layer in cache.layers]

    @torch.inference_mode()
    def _decode(
        self,
        prefix: Sequence[tuple[torch.Tensor, torch.Tensor]],
        sequences: list[list[int]],
        guides: Sequence[Guide | None],
        max_new_tokens: int,
    ) -> list[list[int]]:
        """Greedily continue what follows the prefix in each prompt; the end token is part of what is returned.

        The sequences are padded on the left, so that their last tokens stand in one column; the mask hides the padding,
        and positions go on from the prefix in each. Where a quarter of the rows has ended they leave the batch.
        """
        device = self.model.device
        count, width = len(sequences), max(len(sequence) for sequence in sequences)
        ids = torch.full((count, width), self.end, device=device)
        real = torch.zeros((count, width + max_new_tokens), dtype=torch.bool, device=device)
        real[:, width:] = True
        for row, sequence in enumerate(sequences):
            ids[row, width - len(sequence) :] = torch.tensor(sequence, device=device)
            real[row, width - len(sequence) : width] = True
        positions = prefix[0][0].shape[1] + (real[:, :width].cumsum(dim=1) - 1).clamp(min=0)
        causal = torch.ones((width, width), dtype=torch.bool, device=device).tril_()
        # A padded token sees itself, so that its softmax is over something.
        seen = causal & (real[:, None, :width] | torch.eye(width, dtype=torch.bool, device=device))

        branches = Branches(prefix, width + max_new_tokens)
        results: list[list[int]] = [[] for _ in sequences]
        rows = list(range(count))  # of the batch, among the sequences
        for _ in range(max_new_tokens):
            logits = self.model(
                input_ids=ids,
                attention_mask=seen[:, None],
                position_ids=positions,
                use_cache=False,
                logits_to_keep=1,
                branches=branches,
            ).logits[:, -1]
            branches.advance(ids.shape[1])
            tokens = self._choose(logits, [guides[row] for row in rows])
            for row, token in zip(rows, tokens.tolist(), strict=True):
                if not results[row] or results[row][-1] != self.end:
                    results[row].append(token)
            alive = [place for place, row in enumerate(rows) if results[row][-1] != self.end]
            if not alive:
                break
            positions = positions[:, -1:] + 1
            if 4 * len(alive) <= 3 * len(rows):
                chosen = torch.tensor(alive, device=device)
                branches.select(chosen)
                real, tokens, positions = real[chosen], tokens[chosen], positions[chosen]
                rows = [rows[place] for place in alive]
            ids = tokens[:, None]
            seen = real[:, None, : branches.length + 1]
        return results

    def _choose(self, logits: torch.Tensor, guides: Sequence[Guide | None]) -> torch.Tensor:
        """The next token of each row (N,), from its logits (N, V) and what its guide lets through."""
        tokens = logits.argmax(dim=-1)
        if not any(guides):
            return tokens
        scores = logits.float().cpu().numpy()
        chosen = [
            token if guide is None else guide.choose(row)
            for token, guide, row in zip(tokens.tolist(), guides, scores, strict=True)
        ]
        return torch.tensor(chosen, device=logits.device)


def load_engine(
    model: str, *, prompt_template: str | None = None, hub: str = "huggingface", batch_size: int = 16
) -> tuple[TransformersEngine, PromptTemplate]:
    """Load a model to answer with, and the prompt template that it is to be asked in.

    A fine-tuned model is asked in the template that it was trained in. A base model is asked in ``prompt_template``,
    ``schema-first`` unless said.

    Raises:
        UserError: the model is not to be had, or ``prompt_template`` is not the one that it was trained in.
    """
    if prompt_template is not None:
        template_named(prompt_template)
    loaded, tokenizer, record = load_model(model, hub=hub)
    if record is not None and prompt_template not in (None, record.prompt_template):
        raise UserError(
            f"{model}: the model was trained in the prompt template {record.prompt_template} and answers badly in "
            f"another; leave out --prompt_template {prompt_template}"
        )
    template = template_named(record.prompt_template if record else prompt_template or DEFAULT_TEMPLATE)
    return TransformersEngine(loaded, tokenizer, name=model, batch_size=batch_size), template
