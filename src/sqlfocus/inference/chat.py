"""From a prompt to the tokens that a model reads, the same in training and in answering."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from sqlfocus.corpus.prompt import Prompt
from sqlfocus.errors import UserError


def prompt_ids(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    """The tokens of a prompt through the model's own chat template, up to where the answer begins."""
    text = tokenizer.apply_chat_template(prompt.messages(), tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def end_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token with which the chat template ends an assistant's turn (``<|im_end|>`` for Qwen2.5 and SmolLM2).

    Raises:
        UserError: the template ends a turn with no special token.
    """
    mark = "SELECT 1"
    messages = [*Prompt("s", "u").messages(), {"role": "assistant", "content": mark}]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    after = tokenizer(text[text.rindex(mark) + len(mark) :], add_special_tokens=False)["input_ids"]
    if not after or after[0] not in tokenizer.all_special_ids:
        raise UserError("the model's chat template ends an answer with no special token; take another instruct model")
    return int(after[0])
