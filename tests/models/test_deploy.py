"""What is written for each server; above all, that Ollama's template is the model's own, token for token."""

import json
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from served_models import (
    BASES,
    CHATML,
    DATED,
    FOLDED,
    HEADERS,
    NORMAL,
    SHAPES,
    TOKENS,
    conversations,
    go_render,
    parse_modelfile,
    record,
    write_gguf,
    write_merged,
)
from sqlfocus.errors import UserError
from sqlfocus.models import deploy as room
from sqlfocus.models import lmstudio
from sqlfocus.models.chat_template import render
from sqlfocus.models.deploy import PORTS, Wishes
from sqlfocus.models.gguf_file import read_gguf
from sqlfocus.models.served import served_folder, served_gguf
from sqlfocus.models.turns import turns_of

__all__ = ["go_render"]
BOS = "<s>"
SYSTEM = 'Write one "MySQL" query.\n只输出 SQL。'
OTHER_SHAPE = "it does more than write texts around each message by its role"


@pytest.fixture
def gguf(tmp_path):
    """A quantized model's file, in a folder as quantization makes it."""
    return write_gguf(tmp_path / "new model" / "商店-R1-GGUF" / "商店-R1-Q4_K_M.gguf", made=record())


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder without LM Studio, and a working folder of its own."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def deploy(server, path, **wishes):
    """As the command does, with a system message of the tests'."""
    model = (served_folder if server == "vllm" else served_gguf)(path)
    return room.deploy(server, model, SYSTEM, Wishes(**wishes))


def go_template_of(folder):
    return dict(parse_modelfile((folder / "Modelfile").read_text(encoding="utf-8")))["TEMPLATE"]


def shape_file(folder, name, **metadata):
    """A GGUF file with one of the shapes' chat templates."""
    about = {"tokenizer.ggml.bos_token_id": TOKENS.index(BOS)} | metadata
    if name == "headers":
        about["tokenizer.ggml.eos_token_id"] = TOKENS.index("<|eot_id|>")
    return write_gguf(folder / "m.gguf", chat_template=SHAPES[name], made=record(), metadata=about)


@pytest.mark.parametrize("name", SHAPES)
def test_the_turns_are_the_chat_templates(name):
    turns = turns_of(SHAPES[name], bos=BOS)
    for messages in conversations():
        assert turns.render(messages) == render(SHAPES[name], messages, bos=BOS)


@pytest.mark.parametrize("name", SHAPES)
def test_gos_own_templates_render_the_same_text(go_render, tmp_path, name):
    # The awkward one ends an answer after a few other characters, which a file cannot name as a special token.
    awkward = {"tokenizer.ggml.tokens": [*TOKENS, "<|im_end|>}}"], "tokenizer.ggml.token_type": [3] * (len(TOKENS) + 1)}
    path = shape_file(tmp_path, name, **(awkward if name == "awkward" else {}))
    deploy("ollama", path)
    wanted = [render(SHAPES[name], messages, bos=BOS) for messages in conversations()]
    assert go_render(go_template_of(tmp_path), conversations()) == wanted


@pytest.mark.model
@pytest.mark.parametrize("name", BASES)
def test_transformers_llama_cpp_and_go_read_the_same_tokens(go_render, smollm2, tmp_path, name):
    llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter
    from transformers import AutoTokenizer

    base = smollm2.with_name(BASES[name])
    if not base.is_file():
        pytest.skip(f"{base.name} is not in the cache")
    about = read_gguf(base).metadata
    kept = {key: about[key] for key in about if key.startswith("tokenizer.ggml.") and key != "tokenizer.ggml.merges"}
    template = about["tokenizer.chat_template"]
    copy = write_gguf(tmp_path / "m.gguf", chat_template=template, made=record(), metadata=kept)
    deploy("ollama", copy)
    by_go = go_render(go_template_of(tmp_path), conversations())
    tokenizer = AutoTokenizer.from_pretrained(base.parent, gguf_file=base.name)
    llama = llama_cpp.Llama(str(base), vocab_only=True, verbose=False)
    bos, eos = (about["tokenizer.ggml.tokens"][about[f"tokenizer.ggml.{kind}_token_id"]] for kind in ("bos", "eos"))
    formatter = Jinja2ChatFormatter(template=template, eos_token=eos, bos_token=bos)
    for messages, go in zip(conversations(), by_go, strict=True):
        trained = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=False)
        assert tokenizer(go, add_special_tokens=False)["input_ids"] == trained
        assert tokenizer(formatter(messages=messages).prompt, add_special_tokens=False)["input_ids"] == trained
        # As llama.cpp's servers read a rendered prompt, Ollama among them.
        assert llama.tokenize(go.encode(), add_bos=about["tokenizer.ggml.add_bos_token"], special=True) == trained
        assert render(template, messages, bos=bos, eos=eos) == go
    llama.close()


def test_a_modelfile_says_all_that_ollama_needs(gguf):
    done = deploy("ollama", gguf)
    assert done.written == gguf.parent / "Modelfile"
    said = parse_modelfile(done.written.read_text(encoding="utf-8"))
    assert [pair for pair in said if pair[0] != "TEMPLATE"] == [
        ("FROM", f"./{gguf.name}"),
        ("SYSTEM", SYSTEM),
        ("stop", "<|im_end|>"),
        ("stop", "<|im_start|>"),
        ("num_ctx", "4096"),
        ("temperature", "0"),
        ("repeat_penalty", "1"),
        ("LICENSE", "apache-2.0"),
    ]
    assert done.context_bytes == 4096 * 2 * 2 * 2 * 16 * 2  # layers, keys and values, heads, numbers a head, bytes
    (create,) = done.commands
    assert shlex.split(create) == ["ollama", "create", "r1-q4_k_m", "-f", str(done.written)]
    assert done.address == "http://127.0.0.1:11434/v1#r1-q4_k_m:latest"
    assert done.notes == []


def test_a_modelfile_elsewhere_names_the_file_absolutely(gguf, tmp_path):
    done = deploy("ollama", gguf, output=tmp_path / "deep" / "er", context=1024, name="Shop_7B")
    said = dict(parse_modelfile(done.written.read_text(encoding="utf-8")))
    assert Path(said["FROM"]).is_absolute() and Path(said["FROM"]).samefile(gguf)
    assert (said["num_ctx"], said.get("MESSAGE")) == ("1024", None)
    assert done.address.endswith("/v1#shop_7b:latest")


def test_who_writes_the_token_that_begins_a_text_writes_it_once(go_render, tmp_path):
    """llama.cpp puts it before the prompt where the file says so, and the template then must not."""
    wanted = [render(HEADERS, messages, bos=BOS) for messages in conversations()]
    for adds, before in ((True, BOS), (False, "")):
        path = shape_file(tmp_path, "headers", **{"tokenizer.ggml.add_bos_token": adds})
        done = deploy("ollama", path, force=True)
        assert [before + text for text in go_render(go_template_of(tmp_path), conversations())] == wanted
        assert done.notes == []


def test_a_token_that_training_did_not_see_is_told_of_or_turned_off(tmp_path, home):
    about = {"tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.bos_token_id": TOKENS.index(BOS)}
    path = write_gguf(tmp_path / "m.gguf", made=record(), metadata=about)
    for server in ("ollama", "lmstudio"):
        assert f"begins each prompt with {BOS}" in deploy(server, path).notes[0]
    script = deploy("llama-server", path).written.read_text(encoding="utf-8")
    assert "--override-kv tokenizer.ggml.add_bos_token=bool:false" in script
    assert "--override-kv" not in deploy("llama-server", shape_file(tmp_path / "b", "headers")).written.read_text()


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (FOLDED, OTHER_SHAPE),
        (DATED, OTHER_SHAPE),
        (CHATML.replace("one['content']", "one['content'] | replace('M', '')"), OTHER_SHAPE),
        (CHATML.replace("one['content']", "one['content'] | replace('id', 'ID')"), OTHER_SHAPE),
        (CHATML.replace("{% endfor %}", "{{ loop.index }}{% endfor %}"), OTHER_SHAPE),
        (CHATML.replace("{% endfor %}", "{% if loop.index == 4 %}!{% endif %}{% endfor %}"), OTHER_SHAPE),
        ("{{ raise_exception('no system messages') }}", "refuses these messages (no system messages)"),
        (CHATML.replace("<|im_end|>", "."), "ends an answer with no special token"),
        ("{% if %}", "no Jinja template"),
    ],
)
def test_a_chat_template_of_another_shape_is_refused(tmp_path, template, said):
    path = write_gguf(tmp_path / "m.gguf", chat_template=template, made=record())
    with pytest.raises(UserError) as caught:
        deploy("ollama", path)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["m.gguf"]


def run_script(script, program, tmp_path, *more):
    """Run a start script with a stand-in for the server that tells its arguments; return them."""
    if sys.platform == "win32":
        pytest.skip("the scripts are for a POSIX shell")
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    told = folder / program
    told.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    told.chmod(0o755)
    path = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([str(script), *more], env=path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_llama_server_gets_room_for_each_slot(gguf, tmp_path):
    done = deploy("llama-server", gguf, context=2048, name="shop")
    told = run_script(done.written, "llama-server", tmp_path, "--port", "9999")
    assert told[0] == "--model" and Path(told[1]).samefile(gguf)
    assert told[2:] == shlex.split(
        "--alias shop --host 127.0.0.1 --port 8080 --ctx-size 8192 --parallel 4 --jinja --reasoning-format none "
        "--temp 0 --port 9999"
    )
    assert done.address == "http://127.0.0.1:8080/v1#shop"
    assert [shlex.split(command) for command in done.commands] == [["sh", str(done.written)]]
    printed = shlex.split(done.notes[0].removeprefix("without the script: "))
    assert printed == ["llama-server", "--model", str(gguf), *told[2:-2]]


def test_a_script_beside_its_model_works_after_a_move_and_one_elsewhere_too(gguf, tmp_path):
    deploy("llama-server", gguf)
    there = deploy("llama-server", gguf, output=tmp_path / "scripts").written
    assert Path(run_script(there, "llama-server", tmp_path)[1]).samefile(gguf)
    moved = gguf.parent.rename(tmp_path / "it's moved")
    told = run_script(moved / "start-llama-server.sh", "llama-server", tmp_path)
    assert Path(told[1]).samefile(moved / gguf.name)


def test_vllm_serves_the_merged_folder_greedily_and_with_its_prefix_cache(tmp_path):
    folder = write_merged(tmp_path / "a shop-R1", made=record())
    done = deploy("vllm", folder)
    told = run_script(done.written, "vllm", tmp_path)
    assert told[0] == "serve" and Path(told[1]).samefile(folder)
    assert told[2:] == shlex.split(
        "--served-model-name a-shop-R1 --host 127.0.0.1 --port 8000 --max-model-len 8192 --enable-prefix-caching "
        "--generation-config vllm"
    )
    assert done.context_bytes == 8192 * 57344  # 28 layers of 4 heads of 128 numbers, twice, in 16 bits
    assert done.address == "http://127.0.0.1:8000/v1#a-shop-R1"
    assert stat.S_IMODE(done.written.stat().st_mode) & 0o100


def test_lm_studio_finds_the_model_in_its_folder(gguf, home):
    models = home / ".lmstudio" / "models"
    models.mkdir(parents=True)
    done = deploy("lmstudio", gguf)
    assert done.written == models / "sqlfocus" / "商店-R1-GGUF" / gguf.name
    assert done.written.samefile(gguf) and done.notes == []
    load, start = done.commands
    assert shlex.split(load) == [
        *("lms", "load", f"sqlfocus/商店-R1-GGUF/{gguf.name}"),
        *("--identifier", "R1-Q4_K_M", "--context-length", "4096"),
    ]
    assert start == "lms server start --port 1234"
    assert done.address == "http://127.0.0.1:1234/v1#R1-Q4_K_M"
    assert deploy("lmstudio", gguf) == done  # it is there already
    assert deploy("lmstudio", gguf, force=True).written.samefile(gguf)
    assert [file.name for file in done.written.parent.iterdir()] == [gguf.name]


def test_lm_studios_settings_say_where_its_models_are(home, tmp_path):
    assert lmstudio.models_folder() is None
    moved, models = tmp_path / "moved home", tmp_path / "big disk"
    moved.mkdir()
    (home / ".lmstudio-home-pointer").write_text(f"{moved}\n")
    assert lmstudio.models_folder() is None
    (moved / "models").mkdir()
    assert lmstudio.models_folder() == moved / "models"
    (moved / "settings.json").write_text('{"downloadsFolder": "' + str(models).replace("\\", "/") + '"}')
    assert lmstudio.models_folder() == moved / "models"  # it is not there
    models.mkdir()
    assert lmstudio.models_folder() == models
    (moved / "settings.json").write_text("[")
    assert lmstudio.models_folder() == moved / "models"


def test_without_lm_studio_the_files_wait_here(tmp_path, home):
    path = write_gguf(tmp_path / "plain.gguf", made=record())
    done = deploy("lmstudio", path)
    assert done.written == Path("lm-studio/models/sqlfocus/plain-GGUF/plain.gguf")
    assert done.notes[0].startswith("move lm-studio/models/sqlfocus into LM Studio's models folder, ~/.lmstudio/models")


@pytest.fixture
def other_disk(tmp_path):
    """A folder on another disk than the temporary one."""
    shm = Path("/dev/shm")
    if not os.access(shm, os.W_OK) or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second disk")
    folder = shm / f"sqlfocus-{os.getpid()}"
    yield folder
    if folder.exists():
        subprocess.run(["rm", "-r", str(folder)], check=True)


def test_on_another_disk_the_file_is_copied(gguf, home, other_disk):
    done = deploy("lmstudio", gguf, output=other_disk)
    assert done.written.read_bytes() == gguf.read_bytes()
    assert not done.written.samefile(gguf)
    assert [file.name for file in done.written.parent.iterdir()] == [gguf.name]


def test_a_copy_without_room_is_not_begun(gguf, home, other_disk):
    with gguf.open("ab") as file:
        file.truncate(1 << 42)  # 4 TB of nothing
    with pytest.raises(UserError, match=r"a copy takes 4398.0 GB, and .* is free there"):
        deploy("lmstudio", gguf, output=other_disk)
    assert [file for file in other_disk.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize("server", PORTS)
def test_a_file_there_is_replaced_only_with_force(tmp_path, home, server):
    model = write_merged(tmp_path / "m", made=record())
    if server != "vllm":
        model = write_gguf(tmp_path / "m.gguf", made=record())
    output = tmp_path / "out"
    written = deploy(server, model, output=output).written
    time = written.stat().st_mtime_ns
    deploy(server, model, output=output)  # it is as it would be
    assert written.stat().st_mtime_ns == time
    written.unlink()
    written.write_text("mine")
    with pytest.raises(UserError, match=r"the file exists .*; name another folder with --output, or pass --force"):
        deploy(server, model, output=output)
    assert written.read_text() == "mine"
    again = deploy(server, model, output=output, force=True).written
    assert again == written and again.read_bytes() != b"mine"
    assert [file.name for file in again.parent.iterdir()] == [written.name]


@pytest.mark.parametrize("server", PORTS)
def test_a_place_that_cannot_be_written_is_told_in_one_line(tmp_path, home, server):
    model = write_merged(tmp_path / "m", made=record())
    if server != "vllm":
        model = write_gguf(tmp_path / "m.gguf", made=record())
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written|no permission"):
        deploy(server, model, output=tmp_path / "file" / "folder")


def test_a_context_is_what_the_model_reads_but_not_all_of_32_thousand_tokens(tmp_path):
    path = write_gguf(tmp_path / "m.gguf", made=record(), metadata={"llama.context_length": 32768})
    assert deploy("llama-server", path).context == 8192
    assert deploy("llama-server", path, context=32768, force=True).context == 32768
    for context in (32769, 511, 0, -1):
        with pytest.raises(UserError, match=f"--context {context}: "):
            deploy("llama-server", path, context=context, force=True)


@pytest.mark.parametrize("name", ["", "a b", "a#b", "a,b", "-a", "../a", "a/b", "中", "a:b", "x" * 81])
def test_names_are_such_as_servers_and_addresses_take(gguf, name):
    with pytest.raises(UserError, match="--name "):
        deploy("ollama", gguf, name=name)


def test_a_file_whose_name_servers_do_not_take_wants_another(tmp_path):
    path = write_gguf(tmp_path / "商店.gguf", made=record())
    long = write_gguf(tmp_path / f"{'x' * 81}.gguf", made=record())
    for file in (path, long):
        with pytest.raises(UserError, match=r"too long, or no letter of a to z.*give it one with --name"):
            deploy("ollama", file)
        assert deploy("ollama", file, name="shop", force=True).written.is_file()


def test_models_that_cannot_be_served_are_refused_with_a_remedy(tmp_path, home):
    merged = write_merged(tmp_path / "my merged", made=record())
    base = write_merged(tmp_path / "base")
    adapter = tmp_path / "my adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    silent = write_merged(tmp_path / "silent", made=record(), chat_template="")
    fine = write_gguf(tmp_path / "m-GGUF" / "m-Q8_0.gguf", made=record())
    (tmp_path / "broken.gguf").write_bytes(b"GGUF\x03")
    (tmp_path / "text.gguf").write_text("text")
    untaught = write_gguf(tmp_path / "untaught.gguf")
    dumb = write_gguf(tmp_path / "dumb.gguf", made=record(), chat_template="")
    plain = write_gguf(tmp_path / "plain.gguf", made=record(), metadata={"tokenizer.ggml.token_type": [NORMAL] * 7})
    before = sorted(tmp_path.rglob("*"))
    for server in ("ollama", "lmstudio", "llama-server"):
        for model, said in (
            (tmp_path / "none.gguf", "no such GGUF file; make one with `sqlfocus quantize`"),
            (merged, f"a folder; it serves a GGUF file: sqlfocus quantize --model '{merged}'"),
            (fine.parent, "a folder; name one of its GGUF files: m-Q8_0.gguf"),
            (tmp_path / "broken.gguf", "no whole GGUF file"),
            (tmp_path / "text.gguf", "no GGUF file"),
            (untaught, "it was not fine-tuned here"),
            (dumb, "the file has no chat template"),
        ):
            refused(server, model, said)
    refused("ollama", plain, "no special token")
    for model, said in (
        (tmp_path / "none", "no such folder"),
        (fine, "vLLM serves the merged model"),
        (fine.parent, "vLLM serves the merged model"),
        (adapter, f"an adapter; merge it first: sqlfocus merge --adapter '{adapter}'"),
        (tmp_path / "empty", "the folder holds no model"),
        (base, "it was not fine-tuned here"),
        (silent, "its tokenizer has no chat template"),
    ):
        refused("vllm", model, said)
    assert sorted(tmp_path.rglob("*")) == before


def refused(server, model, said):
    with pytest.raises(UserError) as caught:
        deploy(server, model)
    assert said in str(caught.value), caught.value
    assert "\n" not in str(caught.value)
