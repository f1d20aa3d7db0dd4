"""Ollama's Modelfile: a GGUF file with its chat template in Go's ``text/template``, system message and parameters.

The format is Ollama's (https://docs.ollama.com/modelfile), Go's is https://pkg.go.dev/text/template. Ollama gives a
template the conversation as ``.Messages`` with ``.Role`` and ``.Content``, from ``/api/chat``, ``/api/generate`` and
``/v1`` alike; where a request has no system message, the Modelfile's is put first.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlfocus.errors import UserError
from sqlfocus.models.turns import ROLES, Turns

PARAMETERS = {"temperature": "0", "repeat_penalty": "1"}
"""What makes answers the most likely ones: Ollama's own default lowers the scores of tokens that it has seen lately.

``top_k`` stays as it is, since requests for several candidates bring a temperature of their own.
"""


def modelfile(
    *, weights: str, turns: Turns, system: str, stops: Sequence[str], context: int, license_name: str = ""
) -> str:
    """The text of a Modelfile.

    Args:
        weights: the GGUF file, absolute or relative to the Modelfile, with ``./``.
        turns: the chat template.
        system: the system message for requests without one.
        stops: texts that end an answer.
        context: how many tokens of prompt and answer there is room for.
        license_name: the licence of the weights, empty where it is not known.

    Raises:
        UserError: a text cannot be written in a Modelfile.
    """
    lines = [f"FROM {_quoted(weights)}", f'TEMPLATE """{go_template(turns)}"""', f"SYSTEM {_quoted(system)}"]
    lines += [f"PARAMETER stop {_quoted(stop)}" for stop in stops]
    lines += [f"PARAMETER {name} {value}" for name, value in {"num_ctx": str(context), **PARAMETERS}.items()]
    if license_name:
        lines.append(f"LICENSE {_quoted(license_name)}")
    return "\n".join(lines) + "\n"


def go_template(turns: Turns) -> str:
    """The chat template in Go's language, without ``\\"\\"\\"``, which would end it in a Modelfile.

    >>> texts = {role: f"<{role}>" for role in ROLES}
    >>> print(go_template(Turns(texts, dict.fromkeys(ROLES, "</>"), "<assistant>")))
    {{ range .Messages }}{{ if eq .Role "system" }}<system>{{ .Content }}</>\
{{ else if eq .Role "user" }}<user>{{ .Content }}</>\
{{ else if eq .Role "assistant" }}<assistant>{{ .Content }}</>{{ end }}{{ end }}<assistant>
    """
    branches = "{{ else ".join(
        f'if eq .Role "{role}" }}}}{_literal(turns.before[role])}{{{{ .Content }}}}{_literal(turns.after[role])}'
        for role in ROLES
    )
    each = "{{ range .Messages }}{{ " + branches + "{{ end }}{{ end }}"
    return each + _literal(turns.generation)


def _literal(text: str) -> str:
    """``text`` as a template writes it: as it is, or as a string where Go or the Modelfile would read it otherwise.

    A Modelfile loses characters that do not print, but for spaces and the ends of lines; ``{`` before our own ``{{``
    would be read with it.
    """
    if '"' not in text and "{{" not in text and not text.endswith("{") and _prints(text):
        return text
    escaped = "".join(_ESCAPES.get(one) or (one if one.isprintable() else f"\\U{ord(one):08x}") for one in text)
    return f'{{{{ "{escaped}" }}}}'


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}


def _quoted(text: str) -> str:
    """``text`` as an argument in a Modelfile, where nothing can be escaped."""
    if '"""' in text or not _prints(text):
        raise UserError(
            f"{text!r} cannot be written in a Modelfile: it has three quotes, or a character that does not print"
        )
    quotes = '"""' if '"' in text or "\n" in text else '"'
    return f"{quotes}{text}{quotes}"


def _prints(text: str) -> bool:
    return all(one.isprintable() or one == "\n" for one in text)
