"""A GGUF file judged: what serving its model needs and the file lacks."""

from __future__ import annotations

from typing import Any

from sqlfocus.errors import UserError
from sqlfocus.models.answer_end import after_answer
from sqlfocus.models.gguf_file import GgufFile

CHAT_TEMPLATE_KEY = "tokenizer.chat_template"

_FAMILIES = {
    "<|im_start|>": "ChatML",
    "<|start_header_id|>": "Llama 3",
    "<|start_of_role|>": "Granite",
    "[INST]": "Llama 2",
    "<|user|>": "Zephyr",
}
"""What a chat template writes before a message, and how such templates are called."""


def description(file: GgufFile) -> dict[str, Any]:
    """What the file says of itself, as one JSON object; ``lacks`` is :func:`lacks`.

    Raises:
        UserError: its record is of a format that this version does not know.
    """
    record = file.record
    return {
        "file": str(file.path),
        "bytes": file.path.stat().st_size,
        "architecture": file.architecture,
        "name": file.text("general.name"),
        "parameters": file.parameters,
        "type": file.file_type,
        "mix": file.mix,
        "context": file.context,
        "chat_template": template_family(file.text(CHAT_TEMPLATE_KEY)),
        "end_token": file.end_token,
        "license": file.text("general.license.name") or file.text("general.license"),
        "base_models": file.base_models,
        "base_model": record.base_model if record else "",
        "prompt_template": record.prompt_template if record else "",
        "dialects": record.dialects if record else [],
        "max_values": record.max_values if record else None,
        "evaluations_before_quantizing": record.evaluations if record else [],
        "lacks": lacks(file),
    }


def lacks(file: GgufFile) -> list[str]:
    """What serving needs and the file does not have, one line each; none for a file that can be served."""
    found: list[str] = []
    template, end = file.text(CHAT_TEMPLATE_KEY), file.end_token
    if not template:
        found.append("no chat template: nothing says how a question is put to the model")
    if not end:
        found.append("no end token: answers would not end")
    if template and end:
        try:
            after = after_answer(template, bos=file.token("bos"), eos=end)
        except UserError as error:
            found.append(str(error))
        else:
            if not after.startswith(end):
                found.append(
                    f"the end token {end} is not what its chat template ends an answer with: {after.strip()!r}"
                )
    if file.record is None:
        found.append("not fine-tuned here: no prompt template")
    if not file.context:
        found.append("no context length")
    return found


def template_family(template: str) -> str:
    """How a chat template is known, else its first line; empty for none.

    >>> template_family("{{ '<|im_start|>' + role }}")
    'ChatML'
    """
    known = next((name for mark, name in _FAMILIES.items() if mark in template), "")
    return known or next((line for line in template.splitlines() if line.strip()), "")
