"""``sqlfocus deploy`` as a user calls it."""

import argparse
import shlex
import subprocess
import sys

import pytest

from served_models import TOKENS, parse_modelfile, record, write_gguf, write_merged
from sqlfocus.cli import main
from sqlfocus.commands import serve
from sqlfocus.corpus.prompt import TEMPLATES
from sqlfocus.models.deploy import PORTS


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a GGUF file and a merged model, and a home without LM Studio."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    write_gguf(tmp_path / "shop-GGUF" / "shop-Q4_K_M.gguf", made=record(prompt_template="schema-first-zh"))
    write_merged(tmp_path / "shop", made=record())
    return tmp_path


def call(capsys, *words):
    """Exit status, and what was printed on both streams."""
    status = main(["deploy", *map(str, words)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("server", PORTS)
def test_what_was_written_and_what_comes_next_is_printed(folder, capsys, server):
    model = "shop" if server == "vllm" else "shop-GGUF/shop-Q4_K_M.gguf"
    status, out, err = call(capsys, server, "--model", model, "--context", "1024")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    written = lines[0].removeprefix("written   ")
    assert (folder / written).is_file()
    megabytes = 59 if server == "vllm" else 0
    assert (
        lines[1]
        == f"context   1024 tokens, {megabytes} MB of memory for each question at a time (--context sets another)"
    )
    point = next(line for line in lines if "python -m app" in line)
    # The service takes the line as it stands.
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    args = parser.parse_args(shlex.split(point)[3:])
    assert args.engine == "openai"
    assert args.model.startswith(f"http://127.0.0.1:{PORTS[server]}/v1#shop")
    assert args.prompt_template == (None if server == "vllm" else "schema-first-zh")


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_system_message_is_the_prompt_templates_in_the_models_dialect(folder, capsys, name):
    made = record(prompt_template=name, dialects=["postgres", "sqlite"], max_values=5)
    write_gguf(folder / "m.gguf", made=made)
    status, out, _ = call(capsys, "ollama", "--model", "m.gguf")
    assert status == 0
    said = dict(parse_modelfile((folder / "Modelfile").read_text(encoding="utf-8")))
    assert said["SYSTEM"] == TEMPLATES[name].prompt(schema="", question="", dialect="postgres").system
    command = "  python -m app --engine openai --model http://127.0.0.1:11434/v1#m:latest"
    command += "" if name == "schema-first" else f" --prompt_template {name}"
    assert out.splitlines()[-1] == f"{command} --max_values 5"


def test_a_token_of_a_file_cannot_write_over_the_lines(folder, capsys):
    tokens = [*TOKENS, "\x1b[2J<s>"]
    about = {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": [3] * len(tokens)}
    about |= {"tokenizer.ggml.bos_token_id": len(TOKENS), "tokenizer.ggml.add_bos_token": True}
    write_gguf(folder / "m.gguf", made=record(), metadata=about)
    status, out, _ = call(capsys, "lmstudio", "--model", "m.gguf")
    assert status == 0
    assert "the server begins each prompt with \\x1b[2J<s>" in out


def test_no_record_can_put_a_command_of_its_own_into_the_printed_ones(folder, capsys):
    write_gguf(folder / "m.gguf", made=record(max_values="5; touch here"))
    status, out, err = call(capsys, "ollama", "--model", "m.gguf")
    assert (status, out) == (2, "")
    assert "the record's max_values cannot be '5; touch here'" in err


def test_a_prompt_template_of_another_version_is_refused(folder, capsys):
    write_gguf(folder / "m.gguf", made=record(prompt_template="other"))
    status, _, err = call(capsys, "llama-server", "--model", "m.gguf")
    assert status == 2 and "other: no such prompt template" in err
    assert not (folder / "start-llama-server.sh").exists()


def test_chinese_names_are_printed_as_they_are(folder, capsys):
    write_gguf(folder / "商店.gguf", made=record())
    status, out, _ = call(capsys, "lmstudio", "--model", "商店.gguf", "--name", "shop")
    assert status == 0
    assert "written   lm-studio/models/sqlfocus/shop-GGUF/商店.gguf" in out
    assert "note: move lm-studio/models/sqlfocus" in out


@pytest.mark.parametrize(
    "words",
    [
        ("ollama", "--model", "none.gguf"),
        ("ollama", "--model", "shop"),
        ("vllm", "--model", "shop-GGUF/shop-Q4_K_M.gguf"),
        ("llama-server", "--model", "shop-GGUF/shop-Q4_K_M.gguf", "--context", "100000"),
        ("lmstudio", "--model", "shop-GGUF/shop-Q4_K_M.gguf", "--name", "a b"),
        ("ollama", "--model", "shop-GGUF/shop-Q4_K_M.gguf", "--output", "shop/config.json"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(folder, capsys, words):
    before = sorted(folder.rglob("*"))
    status, out, err = call(capsys, *words)
    assert (status, out) == (2, "")
    assert err.startswith("sqlfocus: error: ") and err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("words", [(), ("triton", "--model", "m.gguf"), ("ollama",)])
def test_a_server_and_a_model_have_to_be_named(folder, capsys, words):
    with pytest.raises(SystemExit) as caught:
        call(capsys, *words)
    assert caught.value.code == 2


def test_the_module_starts_as_a_command(folder):
    words = ["deploy", "ollama", "--model", "shop-GGUF/shop-Q4_K_M.gguf"]
    done = subprocess.run([sys.executable, "-m", "sqlfocus", *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "ollama create shop-q4_k_m -f shop-GGUF/Modelfile" in done.stdout
