"""From a model's name to an engine and a prompt template: what a GGUF file says of itself."""

import json
import struct
from dataclasses import asdict

import pytest

from sqlfocus.errors import UserError
from sqlfocus.inference import llamacpp
from sqlfocus.inference.loading import load_engine
from sqlfocus.models.gguf_file import RECORD_KEY
from sqlfocus.models.record import ModelRecord

KEYS_BEGIN = 24  # behind magic, version, and how many tensors and keys there are


def with_key(path, target, key, text):
    """A copy of a GGUF file with one key more."""
    head = struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", 8)
    text = text.encode()
    text += b" " * (-(len(head) + 8 + len(text)) % 32)  # so that the weights stay where they may be
    with path.open("rb") as source, target.open("wb") as out:
        magic, version, tensors, keys = struct.unpack("<4sIQQ", source.read(KEYS_BEGIN))
        out.write(struct.pack("<4sIQQ", magic, version, tensors, keys + 1))
        out.write(head + struct.pack("<Q", len(text)) + text)
        while block := source.read(1 << 20):
            out.write(block)
    return target


@pytest.fixture(scope="module")
def tuned(smollm2, tmp_path_factory):
    record = ModelRecord("some/base", "", "schema-first-zh", ["sqlite"])
    path = tmp_path_factory.mktemp("models") / "tuned.gguf"
    yield with_key(smollm2, path, RECORD_KEY, json.dumps(asdict(record)))
    path.unlink()


@pytest.mark.model
@pytest.mark.skipif(not llamacpp.available(), reason="llama-cpp-python is not installed")
def test_a_gguf_file_is_asked_in_the_template_that_it_was_trained_in(tuned, smollm2):
    for model, asked, expected in (
        (tuned, None, "schema-first-zh"),
        (tuned, "schema-first-zh", "schema-first-zh"),
        (smollm2, None, "schema-first"),
        (smollm2, "xiyan", "xiyan"),
    ):
        engine, template = load_engine(str(model), prompt_template=asked, batch_size=1)
        engine.network.close()
        assert template.name == expected


@pytest.mark.model
@pytest.mark.parametrize("engine", ["auto", "transformers"])
def test_another_template_than_the_trained_one_is_refused(engine, tuned):
    with pytest.raises(UserError, match=r"tuned\.gguf: the model was trained in the prompt template schema-first-zh"):
        load_engine(str(tuned), engine=engine, prompt_template="schema-first")


def test_llamacpp_takes_gguf_files_alone(tmp_path):
    with pytest.raises(UserError, match=r"llama\.cpp runs GGUF files"):
        load_engine(str(tmp_path), engine="llamacpp")
    for engine in ("auto", "transformers", "llamacpp"):
        with pytest.raises(UserError, match=r"nowhere\.gguf: no such GGUF file"):
            load_engine(str(tmp_path / "nowhere.gguf"), engine=engine)
