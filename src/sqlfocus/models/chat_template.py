"""Rendering a model's chat template, as transformers does but without it: from messages to the text that a model reads.

A chat template is a Jinja program of its model's makers. It runs in Jinja's sandbox, with the settings and functions
that transformers documents (https://huggingface.co/docs/transformers/chat_templating_writing).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox

from sqlfocus.errors import UserError, first_line


def render(
    template: str,
    messages: Sequence[Mapping[str, str]],
    *,
    generation: bool = True,
    bos: str = "",
    eos: str = "",
    now: datetime | None = None,
) -> str:
    """The text of a conversation, of messages with ``role`` and ``content``.

    Args:
        template: the Jinja text, as ``tokenizer.chat_template`` has it.
        generation: whether the text goes on up to where the assistant's next answer begins.
        bos: the text of the token that begins a text, which some templates write.
        eos: the text of the token that ends one.
        now: the time that a template may ask for; the clock's unless given.

    >>> messages = [{"role": "user", "content": "Hi"}]
    >>> render("{% for one in messages %}[{{ one.role }}] {{ one.content }}{% endfor %}", messages)
    '[user] Hi'

    Raises:
        UserError: the template is no Jinja, fails, or refuses the conversation.
    """
    try:
        return _compiled(template).render(
            messages=[dict(message) for message in messages],
            add_generation_prompt=generation,
            tools=None,
            documents=None,
            bos_token=bos,
            eos_token=eos,
            strftime_now=(now or datetime.now()).strftime,
        )
    except UserError:
        raise
    # A template may do whatever Python's operators can fail at.
    except Exception as error:
        raise UserError(f"the model's chat template refuses these messages ({first_line(error)})") from error


@functools.lru_cache(maxsize=8)
def _compiled(template: str) -> jinja2.Template:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    try:
        return environment.from_string(template)
    except jinja2.TemplateSyntaxError as error:
        raise UserError(
            f"the model's chat template is no Jinja template (line {error.lineno}: {first_line(error)}); "
            "take the tokenizer of its makers"
        ) from error


class _Generation(jinja2.ext.Extension):
    """``{% generation %}…{% endgeneration %}`` tells training which text is the assistant's, and writes it as it is."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        """What stands between."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own escapes HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
