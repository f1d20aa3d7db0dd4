import json
import os
import shutil
import subprocess
import sys

import gguf
import pytest

from converted import EVALUATION, converter, narrow, record, wide
from sqlfocus.errors import UserError
from sqlfocus.models import gguf as converting
from sqlfocus.models.gguf import quantize, source_digest
from sqlfocus.models.gguf_file import RECORD_KEY, read_gguf
from sqlfocus.models.gguf_size import QUANTIZED, expected_size, stored

__all__ = ["converter", "narrow", "wide"]

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def all_types(wide, narrow, tmp_path_factory):
    """All nine types, and where rows do not divide those whose tensors each get another type instead."""
    output = tmp_path_factory.mktemp("all")
    types = {wide: list(QUANTIZED), narrow: ["Q2_K", "Q3_K_M", "Q4_K_M"]}
    return {model: quantize(model, names, output=output / model.name) for model, names in types.items()}


def test_every_type_is_made_read_back_and_answers(all_types):
    import llama_cpp

    assert sum(len(done.files) for done in all_types.values()) == 12
    for done in all_types.values():
        for file in done.files:
            assert file.path.stem.endswith(f"-{file.file_type}")
            assert read_gguf(file.path) == file
            model = llama_cpp.Llama(str(file.path), n_ctx=64, n_threads=1, n_threads_batch=1, verbose=False)
            assert model.create_completion("SELECT", max_tokens=2)["usage"]["completion_tokens"] == 2
            model.close()


def test_a_file_is_as_large_as_expected_or_a_little_smaller(all_types):
    for model, done in all_types.items():
        weights = stored(model)
        for file in [*done.files, done.half]:
            words = expected_size(weights, file.file_type) - weights.words
            size, made = file.path.stat().st_size, sum(tensor.bytes for tensor in file.tensors)
            assert size <= words + weights.words
            assert made <= words <= 1.1 * made, file.path


def test_rows_that_k_quants_do_not_divide_get_other_types(all_types, wide, narrow):
    assert not all_types[wide].fall_back
    assert all_types[narrow].fall_back
    mixes = [{file.file_type: set(file.mix) for file in all_types[model].files} for model in (wide, narrow)]
    assert mixes[0]["Q4_K_M"] == {"Q4_K", "Q6_K", "F32"}
    assert mixes[1]["Q4_K_M"] == {"Q5_0", "Q8_0", "F32"}


def test_sixteen_bits_are_those_of_the_model_unless_others_are_asked_for(all_types, wide, narrow, tmp_path):
    assert all_types[wide].half.path.name == "Wide-R1-BF16.gguf"
    assert all_types[narrow].half.path.name == "Narrow-R1-F16.gguf"
    with pytest.raises(UserError, match="two 16-bit types at once"):
        quantize(wide, ["F16", "BF16"], output=tmp_path)


def test_a_file_carries_the_record_the_licence_and_the_base(all_types, wide):
    (file,) = (file for file in all_types[wide].files if file.file_type == "Q4_K_M")
    assert file.record == record()
    assert file.record.evaluations == [EVALUATION]
    assert file.metadata["sqlfocus.dialects"] == ["sqlite", "mysql"]
    assert file.text("sqlfocus.prompt_template") == "schema-first"
    assert file.text("sqlfocus.source_sha256") == source_digest(wide)
    assert file.text("general.license") == "apache-2.0"
    assert file.text("general.name") == "Wide-R1"
    assert file.base_models == ["https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct"]
    assert file.end_token == "<|im_end|>"
    template = (wide / "chat_template.jinja").read_text()
    assert file.text("tokenizer.chat_template") == template
    theirs = gguf.GGUFReader(file.path)
    values = {name: field.contents() for name, field in theirs.fields.items() if not name.startswith("GGUF.")}
    assert dict(file.metadata) == values
    assert [(one.name, one.type) for one in file.tensors] == [(o.name, o.tensor_type.name) for o in theirs.tensors]


def copied(model, folder):
    return shutil.copytree(model, folder / model.name)


def test_a_model_of_another_tool_is_converted_with_the_end_token_that_its_template_writes(
    narrow, tmp_path, capfd, monkeypatch
):
    model = copied(narrow, tmp_path)
    for name, changed in (
        ("tokenizer_config.json", {"eos_token": "<|endoftext|>"}),
        ("config.json", {"eos_token_id": 0}),
    ):
        row = json.loads((model / name).read_text())
        (model / name).write_text(json.dumps(row | changed))
    for name in ("README.md", "sqlfocus.json"):
        (model / name).unlink()
    folder = tmp_path / "here"
    folder.mkdir()
    for name in ("sentencepiece", "gguf", "torch"):  # what lies in the working folder is not run
        (folder / f"{name}.py").write_text("raise SystemExit('the working folder was read')")
    monkeypatch.chdir(folder)
    (file,) = quantize(model, ["F16"]).files
    assert file.end_token == "<|im_end|>"
    assert file.record is None
    assert not {RECORD_KEY, "general.license"} & file.metadata.keys()
    said = capfd.readouterr().err
    assert "not fine-tuned here (no sqlfocus.json), so the files name no prompt template" in said
    assert "its licence is not known (README.md names none)" in said


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def put_half(all_types, model, folder):
    """Put the 16-bit file of a model there, which takes long to make."""
    folder.mkdir(exist_ok=True)
    return shutil.copy(all_types[model].half.path, folder)


def test_files_of_the_same_model_are_kept_and_others_refused(all_types, narrow, tmp_path, capfd):
    model, folder = copied(narrow, tmp_path), tmp_path / "Narrow-R1-GGUF"
    put_half(all_types, narrow, folder)
    first = quantize(model, ["Q8_0"])
    before = times(folder)
    again = quantize(model, ["Q8_0", "Q4_0"])
    assert capfd.readouterr().err.count("kept: ") == 3
    assert times(folder).items() > before.items()
    assert [file.file_type for file in again.files] == ["Q8_0", "Q4_0"]
    measured = record()
    measured.evaluations = []
    measured.write(model)
    older, newer = quantize(model, ["Q8_0", "Q6_K"]).files
    said = capfd.readouterr().err
    assert f"kept: {older.path} (the record or the licence has changed since: --force writes it anew)" in said
    assert said.count("kept: ") == 1
    assert (older.record, newer.record, read_gguf(first.half.path).record) == (record(), measured, measured)
    card = (model / "README.md").read_text()
    (model / "README.md").write_text(card.replace("apache-2.0", "mit"))
    capfd.readouterr()
    quantize(model, ["Q6_K"])
    assert "the record or the licence has changed since" in capfd.readouterr().err
    with pytest.raises(UserError, match=r"does not name the licence bsd; .*--force"):
        quantize(model, ["Q6_K"], licence="bsd")
    whole = newer.path.read_bytes()
    newer.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"cut short.*--force"):
        quantize(model, ["Q6_K"])
    newer.path.unlink()
    newer.path.mkdir()
    with pytest.raises(UserError, match=r"a folder of that name is in the way"):
        quantize(model, ["Q6_K"], force=True)
    (folder / f"{model.name}-Q8_0.gguf").rename(folder / f"{model.name}-Q5_K_M.gguf")
    with pytest.raises(UserError, match=r"the file exists and is no Q5_K_M; .*--force"):
        quantize(model, ["Q5_K_M"])
    (done,) = quantize(model, ["F16"], force=True, licence="bsd").files
    assert done.text("general.license") == "bsd"
    done.path.unlink()
    assert quantize(model, ["Q4_0"]).half is None  # nothing is to be made, so it is not made either


@pytest.mark.parametrize("name", ["model.safetensors", "chat_template.jinja", "tokenizer.json", "config.json"])
def test_a_file_of_a_model_that_was_changed_since_is_refused(name, all_types, narrow, tmp_path):
    model = copied(narrow, tmp_path)
    (file,) = (file for file in all_types[narrow].files if file.file_type == "Q4_K_M")
    output = tmp_path / "out"
    output.mkdir()
    shutil.copy(file.path, output)
    assert quantize(model, ["Q4_K_M"], output=output).files[0].metadata == file.metadata
    whole = (model / name).read_bytes()
    (model / name).write_bytes(whole[:-4] + b"\1\2\3\4" if name == "model.safetensors" else whole + b"\n")
    assert "was not made from this model as it is now; name another folder" in refused(model, output=output)


def test_a_model_in_several_files_is_read_as_a_whole_and_no_stray_one(all_types, narrow, tmp_path, capfd):
    from transformers import AutoModelForCausalLM

    model = copied(narrow, tmp_path)
    (model / "model.safetensors").unlink()
    AutoModelForCausalLM.from_pretrained(narrow, dtype="auto").save_pretrained(model, max_shard_size="1MB")
    (model / "consolidated.safetensors").write_bytes(b"of another program")
    assert len(list(model.glob("model-*.safetensors"))) > 1
    assert stored(model) == stored(narrow)
    (file,) = quantize(model, ["BF16"]).files
    assert [path.name for path in file.path.parent.iterdir()] == ["Narrow-R1-BF16.gguf"]
    assert {one.name: one.shape for one in file.tensors} == {
        one.name: one.shape for one in all_types[narrow].half.tensors
    }
    next(model.glob("model-00002-*.safetensors")).unlink()
    capfd.readouterr()
    assert "Narrow-R1: model-00002-of-0000" in refused(model)
    assert capfd.readouterr().err == ""  # it is told before anything is read
    (model / "model.safetensors.index.json").write_text("[]")
    assert "model.safetensors.index.json: no index of weights" in refused(model)


def refused(model, **options):
    with pytest.raises(UserError) as caught:
        quantize(model, ["Q4_K_M"], **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_converted_is_said_in_one_line(narrow, tmp_path):
    assert "no such folder" in refused(tmp_path / "nowhere")
    assert "no config.json" in refused(tmp_path)
    assert "a GGUF file already" in refused(tmp_path / "model.gguf")
    adapter = tmp_path / "my model-lora"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    assert f"merge it first: sqlfocus merge --adapter '{adapter}'" in refused(adapter)
    model = copied(narrow, tmp_path)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"architectures": ["GPT2LMHeadModel"]}))
    assert "its architecture is GPT2LMHeadModel; those that can be quantized: Qwen2ForCausalLM" in refused(model)
    (model / "config.json").write_text("{")
    assert "no model's configuration" in refused(model)
    (model / "config.json").write_text(json.dumps(config))
    (model / "model.safetensors").write_bytes(b"123")
    assert "no whole safetensors file" in refused(model)
    (model / "model.safetensors").unlink()
    assert "no weights there (no model.safetensors)" in refused(model)


def test_a_tokenizer_that_llama_cpp_does_not_know_and_a_template_that_is_missing_are_said(narrow, tmp_path):
    model = copied(narrow, tmp_path)
    row = json.loads((model / "tokenizer.json").read_text())
    row["pre_tokenizer"] = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    (model / "tokenizer.json").write_text(json.dumps(row))
    assert "it does not know the tokenizer; take the base's own" in refused(model)
    (model / "chat_template.jinja").unlink()
    assert "its tokenizer has no chat template; take an instruct model" in refused(model)
    assert list((tmp_path / f"{model.name}-GGUF").iterdir()) == []


def test_a_checkout_that_lacks_a_piece_is_told_what_to_do(narrow, converter, tmp_path):
    checkout = tmp_path / "llama.cpp"
    assert "git clone" in refused(narrow, llama_cpp=checkout)
    shutil.copytree(converter, checkout)
    assert "cmake -B build" in refused(narrow, output=tmp_path / "out", llama_cpp=checkout)
    shutil.rmtree(checkout / "gguf-py")
    assert "no gguf-py/gguf there" in refused(narrow, llama_cpp=checkout)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for llama-quantize is a script that Windows cannot start")
def test_a_checkouts_program_makes_the_same_file_as_the_library(all_types, narrow, converter, tmp_path):
    # llama-quantize's command line around the library's function: a build of the program takes ten minutes.
    checkout = shutil.copytree(converter, tmp_path / "llama.cpp")
    program = checkout / "build" / "bin" / "llama-quantize"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)
    put_half(all_types, narrow, tmp_path / "out")
    (file,) = quantize(narrow, ["Q4_K_M"], output=tmp_path / "out", llama_cpp=checkout).files
    (other,) = (file for file in all_types[narrow].files if file.file_type == "Q4_K_M")
    assert file.path.read_bytes() == other.path.read_bytes()
    program.write_text("#!/bin/sh\necho 'GGML_ASSERT(n > 0) failed' >&2\nkill -ABRT $$\n")
    file.path.unlink()
    said = refused(narrow, output=tmp_path / "out", llama_cpp=checkout)
    assert said == "Narrow-R1-Q4_K_M.gguf: llama.cpp cannot make it: GGML_ASSERT(n > 0) failed"
    program.write_text("#!/bin/sh\necho '[ 1/20] blk.0.attn_k.weight'\nkill -KILL $$\n")
    said = refused(narrow, output=tmp_path / "out", llama_cpp=checkout)
    assert said.endswith("cannot make it: its process was ended by signal 9, as happens when the memory is full")
    program.write_text("#!/bin/sh\necho 'no such type'\nexit 2\n")
    said = refused(narrow, output=tmp_path / "out", llama_cpp=checkout)
    assert said == "Narrow-R1-Q4_K_M.gguf: llama.cpp cannot make it: no such type"
    assert not list((tmp_path / "out").glob(".*"))


PROGRAM = f"""#!{sys.executable}
import ctypes, sys
sys.path[:0] = {[str(path) for path in __import__("sys").path if "site-packages" in path]}
import llama_cpp
source, target, kind = sys.argv[1:]
parameters = llama_cpp.llama_model_quantize_default_params()
parameters.ftype = {{"Q4_K_M": 15}}[kind]
sys.exit(llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(parameters)))
"""


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a file system of so many megabytes, and gives its folder."""
    places = []

    def mount(megabytes, more=""):
        place = tmp_path / f"disk{megabytes}"
        place.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m{more}", "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("a full disk needs a small file system, and none can be mounted here (it takes root)")
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(wide, small_disk):
    output = small_disk(20) / "out"
    said = refused(wide, output=output)
    assert said.startswith(f"{output}: the files need up to 46 MB, and 21 MB is free there")
    assert not output.exists()


def test_a_folder_that_cannot_be_written_is_said_before_the_weights_are_read(narrow, small_disk, tmp_path, capfd):
    disk = small_disk(99, ",ro")
    (tmp_path / "file").write_text("")
    for output, said in (
        (disk, "no permission to write there"),
        (disk / "new", "no permission to write there"),
        (tmp_path / "file", "cannot be written (File exists); choose another place"),
        (tmp_path / "file" / "new", "cannot be written (Not a directory); choose another place"),
    ):
        assert refused(narrow, output=output).startswith(f"{output}: {said}")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("megabytes", "there"), [(12, []), (36, ["Wide-R1-BF16.gguf"])], ids=["convert", "quantize"])
def test_a_disk_that_fills_up_meanwhile_leaves_no_file(megabytes, there, all_types, wide, small_disk, monkeypatch):
    disk = small_disk(megabytes)
    if there:
        put_half(all_types, wide, disk)
    monkeypatch.setattr(converting, "_room_for", lambda output, needed: None)  # what it saw is gone by now
    assert "the disk is full, nothing was written" in refused(wide, output=disk)
    assert sorted(path.name for path in disk.iterdir()) == there
