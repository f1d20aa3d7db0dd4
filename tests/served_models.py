"""Models to deploy: small GGUF files with the project's keys, chat templates of known shapes, and Go's templates."""

import json
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from sqlfocus.corpus.prompt import TEMPLATES
from sqlfocus.models.record import ModelRecord

CHATML = r"""
{%- for one in messages %}{{ '<|im_start|>' + one['role'] + '\n' + one['content'] + '<|im_end|>\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""
# As Llama 3's: the token that begins a text before the first message, and contents without white space around them.
HEADERS = r"""
{%- for one in messages %}
    {%- set head = '<|start_header_id|>' ~ one.role ~ '<|end_header_id|>\n\n' %}
    {%- if loop.first %}{{- bos_token }}{%- endif %}
    {{- head ~ one.content | trim ~ '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}
"""
# As Qwen3's: the last answer, and no earlier one, begins with an empty thought; a thought in a content is cut out.
THINKING = r"""
{%- set last = namespace(user=-1) %}
{%- for one in messages[::-1] %}
    {%- if one.role == 'user' %}{%- set last.user = messages | length - loop.index %}{%- break %}{%- endif %}
{%- endfor %}
{%- for one in messages %}
    {{- '<|im_start|>' + one.role + '\n' }}
    {%- if one.role != 'assistant' %}
        {{- one.content }}
    {%- else %}
        {%- if loop.index0 > last.user %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}
        {{- one.content.split('</think>')[-1].lstrip('\n') }}
    {%- endif %}
    {{- '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and not enable_thinking %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}
{%- endif %}
"""
# What Go's templates, or a Modelfile, would read as something else than text.
AWKWARD = r'''
{%- for one in messages %}
    {{- '"""{{ ' ~ one.role ~ ' }}\\n\t\u3000\U0001f600{' ~ one.content ~ '<|im_end|>}}' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '{{- "x" -}}{' }}{%- endif %}'''
# As Llama 2's: the system message inside the first question.
FOLDED = r"""
{%- for one in messages %}
    {%- if one.role == 'user' %}
        {{- '[INST] ' + (messages[0].content + '\n\n' if loop.index0 == 1 else '') + one.content + ' [/INST]' }}
    {%- elif one.role == 'assistant' %}{{- one.content + '</s>' }}{%- endif %}
{%- endfor %}"""
DATED = "{{ strftime_now('%d %b %Y') }}" + CHATML
SHAPES = {"chatml": CHATML, "headers": HEADERS, "thinking": THINKING, "awkward": AWKWARD}

TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|eot_id|>", "SELECT", "<s>"]
CONTROL, NORMAL = 3, 1
BASES = {
    "SmolLM2": "SmolLM2-135M-Instruct.Q4_1.gguf",
    "Qwen2.5": "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
}


def record(**changes):
    """A record as fine-tuning writes it."""
    return ModelRecord(
        **{"base_model": "b", "base_revision": "", "prompt_template": "schema-first", "dialects": ["mysql"]} | changes
    )


def write_gguf(path, *, chat_template=CHATML, made=None, metadata=None):
    """A GGUF file with one small matrix, the tokens above or those of ``metadata``, and the project's record."""
    from gguf import GGUFWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(path, "llama")
    numbers = {"block_count": 2, "context_length": 4096, "embedding_length": 64}
    numbers |= {"attention.head_count": 4, "attention.head_count_kv": 2}
    for key, value in numbers.items():
        writer.add_uint32(f"llama.{key}", value)
    about = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": TOKENS, "tokenizer.ggml.eos_token_id": 2}
    about |= {"tokenizer.ggml.token_type": [NORMAL if token == "SELECT" else CONTROL for token in TOKENS]}
    about |= {"tokenizer.ggml.add_bos_token": False, "general.license": "apache-2.0"} | (metadata or {})
    if chat_template:
        about["tokenizer.chat_template"] = chat_template
    if made is not None:
        about["sqlfocus.record"] = json.dumps(asdict(made), ensure_ascii=False)
    for key, value in about.items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_array(key, value)
    writer.add_tensor("token_embd.weight", np.zeros((4, 64), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_merged(folder, *, made=None, chat_template=CHATML):
    """The files of a merged model that a deployment reads; no weights."""
    folder.mkdir(parents=True)
    shape = {"num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4, "hidden_size": 3584}
    (folder / "config.json").write_text(json.dumps(shape | {"max_position_embeddings": 32768}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": chat_template} if chat_template else {}))
    if made is not None:
        made.write(folder)
    return folder


def conversations():
    """Messages of questions in English and Chinese, in all prompt templates, with hints and corrections."""
    schema = (
        "【DB_ID】 shop\n【Schema】\n# Table: orders, 订单\n[\n(id:INTEGER, Primary Key),\n"
        "(city:TEXT, Examples: [上海, O'Hara]),"
        '\n(note:TEXT, Examples: ["x", {{ .System }}, {% raw %}, <b>&amp;</b>])\n]'
    )
    found = []
    for template in TEMPLATES.values():
        for question, evidence in (
            ("How many orders per city?", ""),
            ("How many orders in O'Hara?", "O'Hara means city = 'O''Hara'"),
            ("上海有多少订单？", "上海：city = '上海'"),
        ):
            prompt = template.prompt(schema=schema, question=question, evidence=evidence, dialect="mysql")
            again = prompt.followed_by(template.answer("SELECT 1"), "no such column: 1\nWrite the corrected query.")
            found += [
                prompt,
                again,
                again.followed_by(template.answer("SELECT city,\n  count(*)\nFROM orders"), "又错了"),
            ]
    return [prompt.messages() for prompt in found]


def parse_modelfile(text):
    """A Modelfile's instructions as (name, argument), parameters under their own names; quotes are taken off."""
    found, lines = [], iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        name, _, value = line.partition(" ")
        if name == "PARAMETER":
            name, _, value = value.partition(" ")
        if value.startswith('"""'):
            while len(value) < 6 or not value.endswith('"""'):
                value += "\n" + next(lines)
            value = value[3:-3]
        elif value.startswith('"'):
            assert len(value) > 1 and value.endswith('"'), line
            value = value[1:-1]
        # Ollama loses such characters.
        assert all(one.isprintable() or one in "\n\t" for one in value), value
        found.append((name, value))
    return found


@pytest.fixture(scope="session")
def go_render(tmp_path_factory):
    """Renders conversations through a Go template with Go's own text/template."""
    if shutil.which("go") is None:
        pytest.skip("go is not installed; tests/install_servers.sh installs it")
    program = tmp_path_factory.mktemp("go") / "render"
    source = Path(__file__).with_name("go_template") / "main.go"
    subprocess.run(["go", "build", "-o", str(program), str(source)], check=True, timeout=300)

    def render(template, conversations):
        given = json.dumps({"template": template, "conversations": conversations})
        done = subprocess.run([str(program)], input=given.encode(), capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    return render
