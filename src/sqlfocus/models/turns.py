"""What a chat template writes around each message, found by rendering it: the same template in other words.

Ollama's templates are Go's, and no translator from Jinja can do all of Jinja. But the templates of instruct models do
little: they write a text before and a text after each message, which depend on its role alone. Those texts are found
with messages whose contents are marks, and what is found is compared with the template itself on other conversations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlfocus.errors import UserError
from sqlfocus.models.chat_template import render

ROLES = ("system", "user", "assistant")
_MARKS = tuple(f"MARK{place}MARK" for place in range(6))
_SAMPLE = (
    "Write one query. 只输出 SQL。",
    '【DB_ID】 shop\n# Table: "orders"\n[\n(id:INTEGER, {{key}}),\n(区域:TEXT, Examples: [O\'Hara])\n]\n\nHow many?',
    "SELECT count(*)\n  FROM orders\n```",
    "no such column: id",
    "SELECT 1",
    "又错了",
)
_DAYS = (datetime(2020, 1, 2), datetime(2031, 10, 11))


@dataclass(frozen=True, slots=True)
class Turns:
    """A chat template of the plain kind: texts before and after a message of each role.

    A conversation begins with a system message, and what begins the whole text belongs to that.

    Attributes:
        before: by role, what stands before a message's content.
        after: by role, what stands after it.
        generation: what begins the assistant's next answer.
    """

    before: Mapping[str, str]
    after: Mapping[str, str]
    generation: str

    def render(self, messages: Sequence[Mapping[str, str]], *, generation: bool = True) -> str:
        """The text of a conversation, as the chat template writes it."""
        parts = [self.before[one["role"]] + one["content"] + self.after[one["role"]] for one in messages]
        return "".join(parts) + (self.generation if generation else "")


def turns_of(template: str, *, bos: str = "", eos: str = "") -> Turns:
    """The turns of a Jinja chat template.

    They are compared with the template on conversations of one to five turns, and hold for contents that neither begin
    nor end with white space: Llama's template cuts that off, and prompts here have none.

    Args:
        template: the Jinja text.
        bos: the text of the token that begins a text.
        eos: the text of the token that ends one.

    Raises:
        UserError: the template fails, or does more than write around each message.
    """
    found = _find(template, bos, eos)
    for count in (2, 4, 6):
        messages = _conversation(*_SAMPLE[:count])
        for day in _DAYS:
            if render(template, messages, bos=bos, eos=eos, now=day) != found.render(messages):
                raise UserError(_OTHER_SHAPE)
    return found


def _find(template: str, bos: str, eos: str) -> Turns:
    """The turns by what stands between marks."""

    def write(count: int, *, generation: bool = False) -> list[str]:
        """What stands before, between and after the first ``count`` messages: one text more than messages."""
        messages = _conversation(*_MARKS[:count])
        text = render(template, messages, generation=generation, bos=bos, eos=eos, now=_DAYS[0])
        parts = []
        for mark in _MARKS[:count]:
            part, there, text = text.partition(mark)
            if not there:
                raise UserError(_OTHER_SHAPE)
            parts.append(part)
        return [*parts, text]

    first, system_user, user_assistant, assistant_user, *_ = write(6)
    after_user, after_assistant = write(2)[-1], write(3)[-1]
    _, _, prompted = write(2, generation=True)
    before_user = _without(assistant_user, start=after_assistant)
    return Turns(
        {
            "system": first,
            "user": before_user,
            "assistant": _without(user_assistant, start=after_user),
        },
        {"system": _without(system_user, end=before_user), "user": after_user, "assistant": after_assistant},
        _without(prompted, start=after_user),
    )


def _without(text: str, *, start: str = "", end: str = "") -> str:
    """``text`` without the known text at its start or end."""
    if not text.startswith(start) or not text.endswith(end):
        raise UserError(_OTHER_SHAPE)
    return text.removeprefix(start).removesuffix(end)


def _conversation(*contents: str) -> list[dict[str, str]]:
    """A system message, a question, its answer, the next question and so on."""
    roles = ("system", *("assistant" if place % 2 else "user" for place in range(len(contents) - 1)))
    return [{"role": role, "content": content} for role, content in zip(roles, contents, strict=True)]


_OTHER_SHAPE = (
    "the model's chat template cannot be written as Ollama's: it does more than write texts around each message by its "
    "role; llama-server, LM Studio and vLLM run the template itself: deploy to one of those"
)
