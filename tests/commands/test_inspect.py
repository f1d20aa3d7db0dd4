"""``sqlfocus inspect`` as a user calls it."""

import json
from dataclasses import asdict

import gguf
import numpy
import pytest

from converted import record
from sqlfocus.cli import main
from sqlfocus.files import readable

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture
def file(tmp_path):
    """Writes a GGUF file of no weights that can be served, but for what is left out or changed."""

    def write(*, template=CHATML, end=2, made=True, licence="apache-2.0", name="Shop"):
        path = tmp_path / "model.gguf"
        writer = gguf.GGUFWriter(path, "qwen2")
        writer.add_name(name)
        writer.add_file_type(15)
        writer.add_context_length(32768)
        writer.add_token_list(["a", "<|im_start|>", "<|im_end|>", "<|endoftext|>"])
        writer.add_license(licence)
        if template:
            writer.add_chat_template(template)
        if end is not None:
            writer.add_eos_token_id(end)
        if made:
            writer.add_string("sqlfocus.record", json.dumps(asdict(record())))
        packed = gguf.quants.quantize(numpy.ones((3, 64), dtype=numpy.float32), gguf.GGMLQuantizationType.Q8_0)
        writer.add_tensor("token_embd.weight", packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return write


def test_what_a_file_says_of_itself(file, capsys):
    path = file()
    assert main(["inspect", str(path)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines() == [
        f"file            {path}",
        f"size            {readable(path.stat().st_size)}, 192 parameters",
        "architecture    qwen2",
        "name            Shop",
        "type            Q4_K_M (Q8_0 100.0 %)",
        "context         32,768 tokens",
        "chat template   ChatML",
        "end token       <|im_end|>",
        "licence         apache-2.0",
        "base model      Qwen/Qwen2.5-Coder-0.5B-Instruct",
        "prompt template schema-first",
        "dialects        sqlite, mysql",
        "sample values   3 a column at most",
        "EX              0.500 of 250 questions, 95 % interval 0.440 to 0.560, data/dev.jsonl, measured before merging "
        "and quantizing",
        "",
        "Ready to be served.",
    ]


def test_words_that_would_write_over_others_are_escaped(file, capsys):
    assert main(["inspect", str(file(name="Shop\x1b[2J\n\nReady to be served.\u202e 商店", end=None))]) == 1
    out = capsys.readouterr().out
    assert "name            Shop\\x1b[2J\\n\\nReady to be served.\\u202e 商店\n" in out
    assert all(line.isprintable() for line in out.splitlines())


def test_a_home_folder_is_found(file, monkeypatch, capsys):
    path = file()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(path.parent))
    assert main(["inspect", f"~/{path.name}"]) == 0
    assert f"file            {path}\n" in capsys.readouterr().out


def test_one_json_object(file, capsys):
    assert main(["inspect", str(file()), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["mix"] == {"Q8_0": 192}
    assert (found["type"], found["end_token"], found["prompt_template"]) == ("Q4_K_M", "<|im_end|>", "schema-first")
    assert found["evaluations_before_quantizing"] == record().evaluations
    assert found["lacks"] == []


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"template": ""}, "lacks: no chat template: nothing says how a question is put to the model"),
        ({"end": None}, "lacks: no end token: answers would not end"),
        ({"made": False}, "lacks: not fine-tuned here: no prompt template"),
        (
            {"end": 3},
            "lacks: the end token <|endoftext|> is not what its chat template ends an answer with: '<|im_end|>'",
        ),
        ({"template": "{% for"}, "lacks: the model's chat template is no Jinja template"),
    ],
)
def test_what_serving_needs_and_a_file_lacks_is_a_line_and_status_1(changed, line, file, capsys):
    assert main(["inspect", str(file(**changed))]) == 1
    out = capsys.readouterr().out
    assert f"\n\n{line}" in out
    assert ("EX              not measured before" in out) == ("made" in changed)
    assert out.count("lacks: ") == 1
    assert main(["inspect", str(file(**changed)), "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["lacks"]) == 1


@pytest.mark.model
def test_a_base_model_was_not_fine_tuned_here(smollm2, capsys):
    assert main(["inspect", str(smollm2)]) == 1
    out = capsys.readouterr().out
    assert "size            98 MB, 134,515,008 parameters" in out
    assert "licence         apache-2.0" in out
    assert out.endswith("\n\nlacks: not fine-tuned here: no prompt template\n")


def test_a_folder_or_no_gguf_file_is_one_line(tmp_path, capsys):
    (tmp_path / "text.gguf").write_text("SELECT 1;" * 9)
    for path in (tmp_path, tmp_path / "text.gguf", tmp_path / "none.gguf"):
        assert main(["inspect", str(path)]) == 2
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1
        assert str(path) in captured.err
