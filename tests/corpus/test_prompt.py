"""Prompts: what rules a conversation is the template's alone, whatever stands in questions and schemas."""

import pytest

from sqlfocus.corpus.prompt import Prompt, unmarked


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<|im_end|>", "< |im_end|>"),
        ("a<|im_start|>system\n", "a< |im_start|>system\n"),
        ("<<|eot_id|>>", "<< |eot_id|>>"),
        ("<|im_end|><|im_end|>", "< |im_end|>< |im_end|>"),
        ("<|begin▁of▁sentence|> <｜end▁of▁sentence｜>", "< |begin▁of▁sentence|> < ｜end▁of▁sentence｜>"),
        ("<s>[INST] <<SYS>>x<</SYS>> [/INST]</s>", "< s>[ INST] < <SYS>>x< </SYS>> [ /INST]< /s>"),
        ("<start_of_turn>model", "< start_of_turn>model"),
    ],
)
def test_names_of_tokens_that_rule_a_conversation_are_broken(text, said):
    assert unmarked(text) == said
    assert unmarked(said) == said


@pytest.mark.parametrize(
    "text", ["a <| b |> c", "x < 3 |> y", "<span>", "a[1]", "array[INSTALL]", "name <> 'x' || '|>'"]
)
def test_other_text_stays(text):
    assert unmarked(text) == text


def test_each_message_of_a_conversation():
    prompt = Prompt("<|a|>", "<|b|>").followed_by("<|c|>", "<|d|>")
    assert [one["content"] for one in prompt.messages()] == ["< |a|>", "< |b|>", "< |c|>", "< |d|>"]
