"""From a prompt to the tokens that a model reads, the same in training and in answering."""

from __future__ import annotations

from bisect import bisect_right

from transformers import PreTrainedTokenizerBase

from sqlfocus.corpus.prompt import Prompt
from sqlfocus.errors import UserError


def prompt_ids(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    """The tokens of a prompt through the model's own chat template, up to where the answer begins."""
    return read_prompt(tokenizer, prompt)[0]


def read_prompt(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> tuple[list[int], int]:
    """As :func:`prompt_ids`, with how many of the tokens are shared by the questions on the prompt's database.

    The last token is never one of them.
    """
    text = tokenizer.apply_chat_template(prompt.messages(), tokenize=False, add_generation_prompt=True)
    assert isinstance(text, str)
    read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = list(read["input_ids"])
    begin = text.find(prompt.user[: prompt.shared]) if prompt.shared else -1
    if begin < 0:
        return ids, 0
    ends = [end for _, end in read["offset_mapping"]]
    return ids, min(bisect_right(ends, begin + prompt.shared), len(ids) - 1)


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
