import json
import os
import shutil
from dataclasses import asdict

import pytest
import torch

from sqlfocus.errors import UserError
from sqlfocus.models.loading import Source, adapter_base, find_model, load_base, load_model, load_tokenizer
from sqlfocus.models.named import max_values
from sqlfocus.models.record import ModelRecord, read_record

TEXT = (
    "The history of science is the study of the development of science, including both the natural and social "
    "sciences. Science is a body of knowledge about the natural world, produced by scientists who observe it."
)


@pytest.mark.model
def test_a_gguf_file_becomes_a_model_that_can_be_trained_saved_and_loaded(smollm2, tmp_path):
    source = find_model(str(smollm2))
    assert source.revision.startswith("sha256:b179c952")
    model = load_base(source, dtype=torch.float32)
    assert sum(parameter.numel() for parameter in model.parameters()) == 134_515_008
    ids = torch.tensor([load_tokenizer(source)(TEXT)["input_ids"]])
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    assert model.model.layers[0].self_attn.q_proj.weight.grad.abs().sum() > 0
    assert 1 < loss.item() < 3  # a model with wrong weights is near ln(49152) = 10.8
    model.save_pretrained(tmp_path / "saved")
    again = load_base(Source(tmp_path / "saved"), dtype=torch.float32)
    torch.testing.assert_close(again(input_ids=ids).logits, model(input_ids=ids).logits)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "no such model: neither a folder"),
        ("plainword", "no such model: neither a folder"),
        ("missing.gguf", "no such GGUF file"),
    ],
)
def test_a_model_that_is_not_there_is_said_in_one_line(name, message):
    with pytest.raises(UserError, match=message) as caught:
        find_model(name)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds no model \(no config.json\)"):
        find_model(str(tmp_path))


def test_without_a_network_the_hub_is_named_and_a_way_out(monkeypatch, tmp_path):
    import huggingface_hub.constants

    # No address answers on port 9 of this host: what a machine without a network sees, at once.
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="Hugging Face") as caught:
        find_model("XGenerationLab/XiYanSQL-QwenCoder-7B-2502")
    assert "\n" not in str(caught.value)


def test_modelscope_missing_says_what_to_install():
    with pytest.raises(UserError, match="pip install modelscope"):
        find_model("Qwen/Qwen2.5-Coder-7B-Instruct", hub="modelscope")


def test_a_broken_gguf_file_is_refused(tmp_path):
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(UserError, match=r"broken.gguf: the GGUF file cannot be read"):
        find_model(str(tmp_path / "broken.gguf"))


def test_a_record_reads_back_and_another_format_is_refused(tmp_path):
    record = ModelRecord("Qwen/Qwen3-4B", "abc", "schema-first", ["sqlite"], training={"steps": 3})
    record.write(tmp_path)
    assert read_record(tmp_path) == record
    row = json.loads((tmp_path / "sqlfocus.json").read_text())
    (tmp_path / "sqlfocus.json").write_text(json.dumps(row | {"format": 99}))
    with pytest.raises(UserError, match="a record of another format"):
        read_record(tmp_path)
    (tmp_path / "sqlfocus.json").write_text("{")
    with pytest.raises(UserError, match="not a model record"):
        read_record(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("dialects", None), ("dialects", "sqlite"), ("dialects", [1])),
        *(("max_values", "3; rm -r ."), ("max_values", True), ("max_values", -1)),
        *(("evaluations", {}), ("evaluations", [{"data": "d", "questions": 1, "ex": 0.5}]), ("evaluations", [None])),
        *(("base_model", None), ("train_file", 1), ("training", []), ("versions", None), ("prompt_template", [])),
    ],
)
def test_a_record_with_an_entry_of_another_kind_is_one_line(name, value, tmp_path):
    row = asdict(ModelRecord("base", "", "schema-first", ["sqlite"]))
    (tmp_path / "sqlfocus.json").write_text(json.dumps(row | {name: value}))
    with pytest.raises(UserError, match=rf"sqlfocus\.json: the record's {name} cannot be") as caught:
        read_record(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_older_record_has_what_it_lacks_as_usual(tmp_path):
    (tmp_path / "sqlfocus.json").write_text('{"format": 1, "base_model": "b", "prompt_template": "t", "more": 1}')
    assert read_record(tmp_path) == ModelRecord("b", "", "t", ["sqlite"])
    (tmp_path / "sqlfocus.json").write_text('{"format": 1, "base_model": "b"}')
    with pytest.raises(UserError, match="the record lacks prompt_template"):
        read_record(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "\udcff"])
def test_an_adapters_configuration_that_is_none_is_one_line(text, tmp_path):
    (tmp_path / "adapter_config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    for record in (None, ModelRecord("./nowhere", "", "schema-first", ["sqlite"])):
        if record is not None:
            record.write(tmp_path)
        with pytest.raises(UserError, match=r"adapter_config\.json: not an adapter's configuration") as caught:
            adapter_base(tmp_path)
        assert "\n" not in str(caught.value)


def test_an_adapter_that_names_no_base_or_one_that_is_not_there_is_one_line(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="does not say which base model it belongs to"):
        adapter_base(tmp_path)
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "./nowhere"}')
    with pytest.raises(UserError, match=r"base model is not to be had: \./nowhere: no such model"):
        adapter_base(tmp_path)


@pytest.mark.parametrize(("recorded", "expected"), [(0, 0), (1, 1), (None, None)])
def test_a_model_is_shown_as_many_sample_values_as_in_its_training(recorded, expected, tmp_path):
    ModelRecord("base", "", "schema-first", ["sqlite"], max_values=recorded).write(tmp_path)
    assert max_values(str(tmp_path)) == expected
    assert max_values("some/base") is None


class _Harm:
    """What a pickle can do: on being read it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("kept", [True, False], ids=["beside", "instead"])
def test_no_pickle_in_a_models_folder_is_read(kept, tiny_model, farm, tmp_path):
    adapter, base, harm = tmp_path / "adapter", tmp_path / "base", tmp_path / "harm"
    shutil.copytree(farm / "adapter" / "tiny-llama-lora", adapter)
    shutil.copytree(tiny_model, base)
    for folder, names in (
        (adapter, ["adapter_model.bin", "training_args.bin", "optimizer.pt"]),
        (base, ["pytorch_model.bin", "training_args.bin", "flax_model.msgpack", "tf_model.h5"]),
    ):
        for name in names:
            torch.save(_Harm(harm), folder / name)
        if not kept:
            next(folder.glob("*.safetensors")).unlink()
    for folder, says in ((adapter, "there is no adapter_model.safetensors"), (base, "the model cannot be loaded")):
        if kept:
            load_model(str(folder))
        else:
            with pytest.raises(UserError, match=says):
                load_model(str(folder))
    assert not harm.exists()
