import json
import os
import shutil
import subprocess

import gguf
import pytest

from converted import EVALUATION, converter, narrow, record, wide
from sqlfocus.errors import UserError
from sqlfocus.models import gguf as converting
from sqlfocus.models.gguf import quantize, source_digest
from sqlfocus.models.gguf_file import RECORD_KEY, read_gguf
from sqlfocus.models.gguf_job import remove_left_overs
from sqlfocus.models.gguf_size import QUANTIZED, expected_size, stored

__all__ = ["converter", "narrow", "wide"]

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def all_types(wide, narrow, tmp_path_factory):
    """All nine types, and where rows do not divide those whose tensors each get another type instead."""
    output = tmp_path_factory.mktemp("all")
    types = {wide: list(QUANTIZED), narrow: ["Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_S", "Q6_K"]}
    return {model: quantize(model, names, output=output / model.name) for model, names in types.items()}


def test_every_type_is_made_read_back_and_answers(all_types):
    import llama_cpp

    assert sum(len(done.files) for done in all_types.values()) == 14
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
    done = quantize(wide, ["F16"], output=tmp_path, licence="mit")
    assert done.files[0].text("general.license") == "mit"  # the card says apache-2.0
    assert [file.file_type for file in done.files] == ["F16"]
    assert [path.name for path in tmp_path.iterdir()] == ["Wide-R1-F16.gguf"]
    with pytest.raises(UserError, match="two 16-bit types at once"):
        quantize(wide, ["F16"], dtype="bf16", output=tmp_path)
    with pytest.raises(UserError, match="does not name the licence bsd"):
        quantize(wide, ["F16"], output=tmp_path, licence="bsd")


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


def test_a_model_of_another_tool_is_converted_with_the_end_token_that_its_template_writes(narrow, tmp_path, capfd):
    model = copied(narrow, tmp_path)
    for name, changed in (
        ("tokenizer_config.json", {"eos_token": "<|endoftext|>"}),
        ("config.json", {"eos_token_id": 0}),
    ):
        row = json.loads((model / name).read_text())
        (model / name).write_text(json.dumps(row | changed))
    for name in ("README.md", "sqlfocus.json"):
        (model / name).unlink()
    (file,) = quantize(model, ["F16"]).files
    assert file.end_token == "<|im_end|>"
    assert file.record is None
    assert not {RECORD_KEY, "general.license"} & file.metadata.keys()
    said = capfd.readouterr().err
    assert "not fine-tuned here (no sqlfocus.json), so the files name no prompt template" in said
    assert "its licence is not known (README.md names none)" in said


def test_files_of_the_same_weights_are_kept_and_others_refused(narrow, tmp_path, capfd):
    model = copied(narrow, tmp_path)
    first = quantize(model, ["Q8_0"])
    times = {path.name: path.stat().st_mtime_ns for path in first.files[0].path.parent.iterdir()}
    again = quantize(model, ["Q8_0", "Q4_0"])
    assert capfd.readouterr().err.count("kept: ") == 2
    assert {path.name: path.stat().st_mtime_ns for path in first.files[0].path.parent.iterdir()}.items() > times.items()
    assert [file.file_type for file in again.files] == ["Q8_0", "Q4_0"]
    first.half.path.unlink()
    assert quantize(model, ["Q8_0"]).half is None  # nothing is to be made, so it is not made either
    measured = record()
    measured.evaluations = []
    measured.write(model)
    capfd.readouterr()
    kept = quantize(model, ["Q8_0"]).files[0]
    assert "the record has changed since: --force writes it anew" in capfd.readouterr().err
    assert kept.record == record()
    assert quantize(model, ["Q8_0"], force=True).files[0].record == measured
    whole = kept.path.read_bytes()
    kept.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"cut short.*--force"):
        quantize(model, ["Q8_0"])
    kept.path.write_bytes(whole)
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\1\2\3\4")
    with pytest.raises(UserError, match=r"was not made as F16 from these weights.*--force"):
        quantize(model, ["Q8_0"])


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
    assert "no .safetensors file" in refused(model)


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
    (file,) = quantize(narrow, ["Q4_K_M"], output=tmp_path / "out", llama_cpp=checkout).files
    (other,) = (file for file in all_types[narrow].files if file.file_type == "Q4_K_M")
    assert file.path.read_bytes() == other.path.read_bytes()
    program.write_text("#!/bin/sh\necho 'GGML_ASSERT(n > 0) failed' >&2\nkill -ABRT $$\n")
    file.path.unlink()
    said = refused(narrow, output=tmp_path / "out", llama_cpp=checkout)
    assert said == "Narrow-R1-Q4_K_M.gguf: llama.cpp cannot make it: GGML_ASSERT(n > 0) failed"
    assert not list((tmp_path / "out").glob(".*"))


PROGRAM = f"""#!{shutil.which("python3")}
import ctypes, sys
sys.path[:0] = {[str(path) for path in __import__("sys").path if "site-packages" in path]}
import llama_cpp
source, target, kind = sys.argv[1:]
parameters = llama_cpp.llama_model_quantize_default_params()
parameters.ftype = {{"Q4_K_M": 15}}[kind]
sys.exit(llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(parameters)))
"""


def test_left_overs_of_processes_that_are_gone_are_removed(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    others = [tmp_path / name for name in ("a.gguf", ".hidden", ".a.gguf.x.part")]
    running = tmp_path / f".a-Q8_0.gguf.{os.getppid()}.part"
    gone = [tmp_path / f".a-Q8_0.gguf.{number}.part" for number in (ended.pid, os.getpid())]
    for path in (*others, running, *gone):
        path.touch()
    remove_left_overs(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([*others, running])


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a file system of so many megabytes, and gives its folder."""
    places = []

    def mount(megabytes):
        place = tmp_path / f"disk{megabytes}"
        place.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
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


@pytest.mark.parametrize(("megabytes", "there"), [(12, []), (36, ["Wide-R1-BF16.gguf"])], ids=["convert", "quantize"])
def test_a_disk_that_fills_up_meanwhile_leaves_no_file(megabytes, there, wide, small_disk, monkeypatch):
    disk = small_disk(megabytes)
    monkeypatch.setattr(converting, "_room_for", lambda output, needed: None)  # what it saw is gone by now
    assert "the disk is full, nothing was written" in refused(wide, output=disk)
    assert sorted(path.name for path in disk.iterdir()) == there
