import io
import os
import tarfile

import gguf
import pytest

from sqlfocus.errors import UserError
from sqlfocus.models.converting import _with_keys
from sqlfocus.models.gguf_file import read_gguf
from sqlfocus.models.llama_cpp import _unpack, installed_converter

INSIDE = "llama_cpp_python-9.9/vendor/llama.cpp"


def archive(path, names):
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"text"))
        link = tarfile.TarInfo(f"{INSIDE}/conversion/link.py")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return path


def test_the_converters_files_are_taken_out_and_nothing_else_or_elsewhere(tmp_path):
    wanted = ["convert_hf_to_gguf.py", "conversion/__init__.py", "gguf-py/gguf/vocab.py", "LICENSE"]
    others = ["README.md", "src/llama.cpp", "gguf-py/tests/a.py", "conversion/../../../../escaped.py"]
    names = [*(f"{INSIDE}/{name}" for name in wanted + others), "/absolute.py", "../../escaped.py"]
    folder = tmp_path / "one" / "two" / "folder"
    folder.mkdir(parents=True)
    _unpack(archive(tmp_path / "a.tar.gz", names), folder)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert files == sorted(wanted)
    assert sorted(path.name for path in tmp_path.rglob("*.py") if folder not in path.parents) == []


def test_an_archive_that_is_broken_or_holds_no_converter_is_refused(tmp_path):
    path = archive(tmp_path / "a.tar.gz", [f"{INSIDE}/LICENSE"])
    with pytest.raises(UserError, match=r"no convert_hf_to_gguf.py in it.*--llama_cpp DIR"):
        _unpack(path, tmp_path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match="the archive is broken"):
        _unpack(path, tmp_path)


def test_where_pip_finds_nothing_a_checkout_is_named_as_the_way_out(tmp_path, monkeypatch, capfd):
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    monkeypatch.setenv("SQLFOCUS_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(UserError, match=r"pip cannot fetch its source \(ERROR: .*--llama_cpp DIR") as caught:
        installed_converter()
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert "Fetching llama.cpp's converter" in capfd.readouterr().err


def written(path, *, job, rope):
    """A file by a converter that knows neither chat_template.jinja nor rope_parameters."""
    writer = _with_keys(gguf.GGUFWriter, job, "{{ messages }}", 2, rope)(path, "llama")
    writer.add_token_list(["a", "b", "<end>"])
    writer.add_eos_token_id(0)
    writer.add_license("apache-2.0")
    writer.add_license_name("Apache")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return read_gguf(path)


def test_what_an_older_converter_leaves_out_is_added(tmp_path):
    job = {
        "keys": {"sqlfocus.dialects": ["sqlite"], "sqlfocus.prompt_template": "x"},
        "license": "",
        "converter": "DIR",
    }
    file = written(tmp_path / "a.gguf", job=job, rope=(1e6, "default"))
    assert (file.end_token, file.text("tokenizer.chat_template")) == ("<end>", "{{ messages }}")
    assert file.metadata["llama.rope.freq_base"] == 1e6
    assert file.metadata["sqlfocus.dialects"] == ["sqlite"]
    assert (file.text("general.license"), file.text("general.license.name")) == ("apache-2.0", "Apache")
    file = written(tmp_path / "b.gguf", job=job | {"license": "mit"}, rope=(1e6, "default"))
    assert (file.text("general.license"), file.text("general.license.name")) == ("mit", "")
    with pytest.raises(UserError, match=r"DIR: too old for this model's config.json; take a newer llama.cpp"):
        written(tmp_path / "c.gguf", job=job, rope=(1e6, "yarn"))
