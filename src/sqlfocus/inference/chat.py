"""From a prompt to the tokens that a model reads, the same in training and in answering."""

from __future__ import annotations

from bisect import bisect_right

from sqlfocus.corpus.prompt import Prompt, unmarked
from sqlfocus.errors import UserError
from sqlfocus.inference.tokenizer import Tokenizer


def prompt_ids(tokenizer: Tokenizer, prompt: Prompt) -> list[int]:
    """The tokens of a prompt through the model's own chat template, up to where the answer begins."""
    return read_prompt(tokenizer, prompt)[0]


def read_prompt(tokenizer: Tokenizer, prompt: Prompt) -> tuple[list[int], int]:
    """As :func:`prompt_ids`, with how many of the tokens are shared by the questions on the prompt's database.

    The last token is never one of them.
    """
    text = tokenizer.chat(prompt.messages())
    ids, ends = tokenizer.ids_and_ends(text)
    shared = unmarked(prompt.user[: prompt.shared])
    begin = text.find(shared) if shared else -1
    if begin < 0:
        return ids, 0
    return ids, min(bisect_right(ends, begin + len(shared)), len(ids) - 1)


def end_token(tokenizer: Tokenizer) -> int:
    """The token with which the chat template ends an assistant's turn (``<|im_end|>`` for Qwen2.5 and SmolLM2).

    Raises:
        UserError: the template ends a turn with no special token.
    """
    mark = "SELECT 1"
    messages = [*Prompt("s", "u").messages(), {"role": "assistant", "content": mark}]
    text = tokenizer.chat(messages, answering=False)
    after = tokenizer.ids(text[text.rindex(mark) + len(mark) :])
    if not after or not tokenizer.is_special(after[0]):
        raise UserError("the model's chat template ends an answer with no special token; take another instruct model")
    return after[0]
