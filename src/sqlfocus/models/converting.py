"""One call of llama.cpp's converter or quantizer, in a process of its own.

It is started by :mod:`sqlfocus.models.gguf_job`, and ends with its parent. What llama.cpp says goes to standard error.
"""

from __future__ import annotations

import ctypes
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

from sqlfocus.child import read_job
from sqlfocus.errors import UserError

USER_ERROR = 64
"""The exit status that tells of a user's error; the converter's own is 1, or 2 for a wrong command line."""

_children: list[subprocess.Popen[bytes]] = []
_callbacks: list[Any] = []  # the library calls what it was given to the end, and ctypes keeps no hold of it


def main() -> int:
    """Do the job and return the exit status: 0, :data:`USER_ERROR`, or another where llama.cpp failed."""
    job = read_job(before_end=_kill_children)
    if job["do"] == "convert":
        try:
            return _convert(job)
        except UserError as error:
            sys.stderr.write(f"{error}\n")
            return USER_ERROR
    return _quantize_with_program(job) if job["quantizer"] else _quantize(job)


def _kill_children() -> None:
    for child in _children:
        child.kill()


def _convert(job: dict[str, Any]) -> int:
    """Run the converter's script on a model folder, with keys of ours among its metadata.

    Raises:
        UserError: the model has no chat template, or none that ends an answer with a token of its own.
    """
    model = Path(job["model"])
    template, end = _ending(model)
    converter = Path(job["converter"])
    sys.path[:0] = [str(converter), str(converter / "gguf-py")]
    import gguf

    gguf.GGUFWriter = _with_keys(gguf.GGUFWriter, job, template, end, _rope(model))
    sys.argv = ["convert_hf_to_gguf.py", job["model"], "--outfile", job["output"], "--outtype", job["type"].lower()]
    sys.argv += ["--model-name", job["name"]]
    runpy.run_path(str(converter / sys.argv[0]), run_name="__main__")
    return 0


def _ending(model: Path) -> tuple[str, int]:
    """The chat template, and the token with which it ends an answer; the tokenizer's own may be another.

    Raises:
        UserError: there is no chat template, or no such token.
    """
    from sqlfocus.models.answer_end import after_answer
    from sqlfocus.models.loading import Source, load_tokenizer

    tokenizer = load_tokenizer(Source(model))
    found = tokenizer.chat_template
    template = str(found.get("default", "") if isinstance(found, dict) else found)
    after = after_answer(template, bos=tokenizer.bos_token or "", eos=tokenizer.eos_token or "")
    tokens = tokenizer(after, add_special_tokens=False)["input_ids"]
    special = {*tokenizer.all_special_ids, *(n for n, one in tokenizer.added_tokens_decoder.items() if one.special)}
    if not tokens or tokens[0] not in special:
        raise UserError(f"{model}: its chat template ends an answer with no special token; take another instruct model")
    return template, int(tokens[0])


def _rope(model: Path) -> tuple[float, str]:
    """The base of the rotary embedding's frequencies, and which kind of scaling there is, ``default`` for none."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return float(rope.get("rope_theta") or config.get("rope_theta") or 10_000), str(rope.get("rope_type", "default"))


def _with_keys(writer: Any, job: dict[str, Any], template: str, end: int, rope: tuple[float, str]) -> Any:
    """The converter's writer, made to write the job's keys too, and its licence and our end token instead of others.

    A converter of 2024 knows neither of two things that transformers 5 writes: ``chat_template.jinja``, and the rotary
    embedding's base in ``rope_parameters``. Without the latter a model answers nonsense.
    """
    theta, scaling = rope

    class Writer(writer):
        def write_header_to_file(self, *args: Any, **kwargs: Any) -> None:
            # The header counts the keys, so they have to be there before it.
            for key, value in job["keys"].items():
                (self.add_string if isinstance(value, str) else self.add_array)(key, value)
            pairs = self.kv_data[0]
            if job["license"]:
                for key in [key for key in pairs if key.startswith("general.license")]:
                    del pairs[key]
                self.add_license(job["license"])
            pairs.pop("tokenizer.ggml.eos_token_id", None)
            self.add_eos_token_id(end)
            if "tokenizer.chat_template" not in pairs:
                self.add_chat_template(template)
            if f"{self.arch}.rope.freq_base" not in pairs:
                if scaling != "default":
                    raise UserError(f"{job['converter']}: too old for this model's config.json; take a newer llama.cpp")
                self.add_rope_freq_base(theta)
            super().write_header_to_file(*args, **kwargs)

    return Writer


def _quantize(job: dict[str, Any]) -> int:
    """Quantize with the library, whose function lets other threads run."""
    import llama_cpp

    _callbacks.append(llama_cpp.llama_log_callback(_log))
    llama_cpp.llama_log_set(_callbacks[-1], ctypes.c_void_p(0))
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = job["number"]
    return int(
        llama_cpp.llama_model_quantize(os.fsencode(job["source"]), os.fsencode(job["output"]), ctypes.byref(parameters))
    )


def _log(_level: int, text: bytes, _data: Any) -> None:
    sys.stderr.buffer.write(text)
    sys.stderr.buffer.flush()


def _quantize_with_program(job: dict[str, Any]) -> int:
    words = [job["quantizer"], job["source"], job["output"], job["type"]]
    _children.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=sys.stderr))
    status = _children[-1].wait()
    return 128 - status if status < 0 else min(status, 1)  # ended by a signal: as a shell tells it
