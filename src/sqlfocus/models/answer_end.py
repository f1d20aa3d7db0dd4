"""What ends an answer in a model's chat template."""

from __future__ import annotations

from sqlfocus.models.chat_template import render

_ANSWER = "SELECT 1"


def after_answer(template: str, *, bos: str = "", eos: str = "") -> str:
    """What a chat template writes after an assistant's answer: the token that ends it, and what may follow.

    >>> after_answer("{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}")
    '<end>'

    Raises:
        UserError: the template is no Jinja, fails, or refuses a system message.
    """
    messages = [{"role": role, "content": _ANSWER} for role in ("system", "user", "assistant")]
    text = render(template, messages, generation=False, bos=bos, eos=eos)
    return text[text.rindex(_ANSWER) + len(_ANSWER) :] if _ANSWER in text else ""
