import pytest

from sqlfocus.errors import UserError
from sqlfocus.models.card import base_licence, base_name, dequantized_card, front_matter
from sqlfocus.models.gguf_file import read_gguf
from sqlfocus.models.merge import model_card
from sqlfocus.models.record import ModelRecord


def write_card(folder, text):
    (folder / "README.md").write_text(text, encoding="utf-8")
    return folder


def test_a_base_tells_its_licence_in_its_card(tmp_path):
    assert base_licence("org/base", tmp_path) == {}
    write_card(tmp_path, "---\nlicense: other\nlicense_name: research\nlicense_link: LICENSE\ntags: [a]\n---\n# Base\n")
    assert base_licence("org/base", tmp_path) == {
        "license": "other",
        "license_name": "research",
        "license_link": "LICENSE",
    }
    write_card(tmp_path, "# Base\n\nlicense: mit\n")
    assert base_licence("org/base", tmp_path) == {}
    write_card(tmp_path, "---\nlicense: [\n---\n")
    assert base_licence("org/base", tmp_path) == {}
    with pytest.raises(UserError, match=r"README.md: its front matter cannot be read") as caught:
        front_matter(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.model
def test_a_gguf_base_tells_its_licence_and_hands_it_on_to_its_folder(smollm2, tmp_path):
    assert base_licence(str(smollm2), tmp_path) == {"license": "apache-2.0"}
    write_card(tmp_path, dequantized_card(read_gguf(smollm2), "b179"))
    assert front_matter(tmp_path) == {"license": "apache-2.0", "model_name": "Smollm2 135M 8k Lc100K Mix1 Ep2"}
    assert base_licence("folder", tmp_path) == {"license": "apache-2.0"}


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("Qwen/Qwen2.5-Coder-7B-Instruct", "Qwen/Qwen2.5-Coder-7B-Instruct"),
        ("/somewhere/else/Model-7B", "Model-7B"),
        ("/somewhere/else/model.Q4_1.gguf", "model.Q4_1"),
        ("./models/我的: #1", "我的: #1"),
    ],
)
def test_a_merged_models_card_names_its_base_without_the_folder_and_its_licence(base, name, tmp_path):
    assert base_name(base) == name
    measured = {"data": r"C:\somewhere\dev.jsonl", "questions": 2, "ex": 0.5, "low": 0.1, "high": 0.9}
    record = ModelRecord(base, "", "schema-first", ["sqlite"], train_file="/somewhere/train.jsonl", train_sha256="ab")
    record.evaluations = [measured]
    write_card(tmp_path, model_card("Shop-R1", record, base, {"license": "apache-2.0"}))
    found = front_matter(tmp_path)
    assert (found["base_model"], found["license"]) == (name, "apache-2.0")
    assert found["tags"] == ["text-to-sql", "lora", "sql-focus-finetune"]
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "somewhere" not in card
    assert "- Training data: `train.jsonl` (SHA-256 `ab`)" in card
    assert "| dev.jsonl | 2 | 0.500 |" in card
    write_card(tmp_path, model_card("Shop-R1", record, base, {}))
    assert "license" not in front_matter(tmp_path)
