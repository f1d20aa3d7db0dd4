"""The transformers engine: greedy decoding in batches whose shared prefix is computed once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from sqlfocus.corpus.prefix import group_by_prefix, shared_length
from sqlfocus.corpus.prompt import DEFAULT_TEMPLATE, Prompt, PromptTemplate, template_named
from sqlfocus.errors import UserError
from sqlfocus.inference.chat import end_token, prompt_ids
from sqlfocus.inference.engine import Completion
from sqlfocus.models.loading import load_model


class TransformersEngine:
    """Completes prompts with a transformers model.

    Prompts that begin alike (the questions on one database) are decoded together: their prefix goes through the model
    once, its key/value cache is repeated for the batch, and only what follows is computed for each.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, name: str, batch_size: int = 16
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.name = name
        self.batch_size = batch_size
        self.end = end_token(tokenizer)

    def complete(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int = 256,
        on_done: Callable[[int], None] | None = None,
    ) -> list[Completion]:
        """See :class:`sqlfocus.inference.engine.Engine`."""
        sequences = [prompt_ids(self.tokenizer, prompt) for prompt in prompts]
        completions: list[Completion | None] = [None] * len(prompts)
        for group in group_by_prefix(sequences):
            prefix: list[int] = []
            cache: DynamicCache | None = None
            for start in range(0, len(group), self.batch_size):
                batch = group[start : start + self.batch_size]
                if cache is None:
                    # The prefix of the whole group, not of the batch: its cache then serves every batch.
                    prefix = sequences[group[0]][: shared_length([sequences[index] for index in group])]
                    cache = self._prefill(prefix)
                branches = [sequences[index][len(prefix) :] for index in batch]
                for index, tokens in zip(
                    batch, self._decode(cache, len(prefix), branches, max_new_tokens), strict=True
                ):
                    finished = bool(tokens) and tokens[-1] == self.end
                    text = self.tokenizer.decode(tokens[:-1] if finished else tokens, skip_special_tokens=True)
                    completions[index] = Completion(text, len(tokens), finished)
                if on_done is not None:
                    on_done(len(batch))
        return [completion for completion in completions if completion is not None]

    @torch.inference_mode()
    def _prefill(self, prefix: list[int]) -> DynamicCache:
        """The key/value cache of ``prefix``, for a batch of one."""
        cache = DynamicCache(config=self.model.config)
        if prefix:
            ids = torch.tensor([prefix], device=self.model.device)
            self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return cache

    @torch.inference_mode()
    def _decode(
        self, prefix_cache: DynamicCache, prefix: int, branches: list[list[int]], max_new_tokens: int
    ) -> list[list[int]]:
        """Greedily continue each branch after the cached prefix; the end token is part of what is returned.

        Branches are padded on the left, so that their last tokens stand in one column; the mask hides the padding, and
        positions go on from the prefix in each. Rows that have ended leave the batch.
        """
        device = self.model.device
        count, width = len(branches), max(len(branch) for branch in branches)
        ids = torch.full((count, width), self.end, device=device)
        mask = torch.zeros((count, prefix + width), dtype=torch.long, device=device)
        mask[:, :prefix] = 1
        for row, branch in enumerate(branches):
            ids[row, width - len(branch) :] = torch.tensor(branch, device=device)
            mask[row, prefix + width - len(branch) :] = 1
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, prefix:]

        cache = copy.deepcopy(prefix_cache)
        cache.batch_repeat_interleave(count)
        results: list[list[int]] = [[] for _ in branches]
        alive = list(range(count))
        for _ in range(max_new_tokens):
            logits = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            tokens = logits.argmax(dim=-1)
            for row, token in zip(alive, tokens.tolist(), strict=True):
                results[row].append(token)
            keep = [place for place, row in enumerate(alive) if results[row][-1] != self.end]
            if not keep:
                break
            if len(keep) < len(alive):
                chosen = torch.tensor(keep, device=device)
                cache.batch_select_indices(chosen)
                mask, tokens, positions = mask[chosen], tokens[chosen], positions[chosen]
                alive = [alive[place] for place in keep]
            ids = tokens[:, None]
            positions = positions[:, -1:] + 1
            mask = torch.cat([mask, mask.new_ones((len(alive), 1))], dim=1)
        return results


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
