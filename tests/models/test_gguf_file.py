import contextlib
import struct

import gguf
import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sqlfocus.errors import UserError
from sqlfocus.models.gguf_file import FILE_TYPES, TENSOR_TYPES, read_gguf


@pytest.fixture
def written(tmp_path):
    """A small GGUF file by the package gguf, with a value of each kind that the format knows."""
    path = tmp_path / "small.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("一个模型")
    writer.add_file_type(15)
    writer.add_context_length(77)
    writer.add_uint8("k.u8", 200)
    writer.add_int8("k.i8", -3)
    writer.add_uint16("k.u16", 60000)
    writer.add_int16("k.i16", -30000)
    writer.add_int32("k.i32", -7)
    writer.add_uint64("k.u64", 1 << 60)
    writer.add_int64("k.i64", -(1 << 60))
    writer.add_float32("k.f32", 0.5)
    writer.add_float64("k.f64", 0.1)
    writer.add_bool("k.bool", True)
    writer.add_array("k.numbers", [1, 2, 3])
    writer.add_array("k.floats", [0.5, 1.5])
    writer.add_array("k.texts", ["a", "数据", "c"])
    writer.add_token_list(["a", "b", "<end>"])
    writer.add_eos_token_id(2)
    writer.add_tensor("one", numpy.arange(7, dtype=numpy.float32))
    writer.add_tensor("two", numpy.ones((3, 64), dtype=numpy.float16))
    packed = gguf.quants.quantize(numpy.ones((2, 64), dtype=numpy.float32), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("three", packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def assert_read_as_its_twin_reads(path):
    ours, theirs = read_gguf(path), gguf.GGUFReader(path)
    values = {name: field.contents() for name, field in theirs.fields.items() if not name.startswith("GGUF.")}
    assert dict(ours.metadata) == values
    expected = [
        (one.name, one.tensor_type.name, tuple(int(n) for n in one.shape), one.n_bytes) for one in theirs.tensors
    ]
    assert [(one.name, one.type, one.shape, one.bytes) for one in ours.tensors] == expected


def test_metadata_and_tensors_are_read_as_the_package_gguf_reads_them(written):
    assert_read_as_its_twin_reads(written)
    file = read_gguf(written)
    assert (file.architecture, file.file_type, file.context, file.end_token) == ("llama", "Q4_K_M", 77, "<end>")
    assert file.parameters == 7 + 3 * 64 + 2 * 64
    assert list(file.mix.items()) == [("F16", 192), ("Q8_0", 128), ("F32", 7)]
    assert file.record is None


@pytest.mark.model
def test_a_real_model_is_read_as_the_package_gguf_reads_it(smollm2):
    assert_read_as_its_twin_reads(smollm2)


def test_types_are_those_of_the_package_gguf():
    for number, (name, weights, size) in TENSOR_TYPES.items():
        kind = gguf.GGMLQuantizationType(number)
        assert (kind.name, *gguf.GGML_QUANT_SIZES[kind]) == (name, weights, size)
    for number, name in FILE_TYPES.items():
        assert gguf.LlamaFileType(number).name.removeprefix("MOSTLY_").removeprefix("ALL_") == name


@pytest.mark.parametrize("share", [0.0, 0.001, 0.2, 0.5, 0.9, 0.97])
def test_a_file_that_is_cut_anywhere_is_refused_in_one_line(share, written):
    whole = written.read_bytes()
    written.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError) as caught:
        read_gguf(written)
    assert str(written) in str(caught.value)
    assert "\n" not in str(caught.value)


def header(*pairs, tensors=b"", count=0):
    """A file of metadata alone: keys with their values' kinds and bytes."""
    whole = b"GGUF" + struct.pack("<IQQ", 3, count, len(pairs))
    for key, kind, value in pairs:
        whole += struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + value
    whole += tensors
    return whole + bytes(-len(whole) % 32)


@pytest.mark.parametrize(
    "whole",
    [
        header(("k", 99, b"\0" * 8)),
        header(("general.alignment", 4, struct.pack("<I", 0))),
        header(("general.alignment", 9, struct.pack("<IQI", 4, 1, 32))),
        header(("k", 9, struct.pack("<IQ", 9, 1) * 5000)),
        header(tensors=struct.pack("<QI", 0, 1 << 31) + bytes(80), count=1),
    ],
    ids=["no such kind of value", "alignment 0", "alignment an array", "arrays of arrays", "too many dimensions"],
)
def test_a_hostile_header_is_refused_in_one_line(tmp_path, whole):
    path = tmp_path / "hostile.gguf"
    path.write_bytes(whole)
    with pytest.raises(UserError, match="its header cannot be read"):
        read_gguf(path)


def test_values_of_another_kind_than_they_should_be_are_as_good_as_none(tmp_path):
    path = tmp_path / "odd.gguf"
    text = struct.pack("<Q", 3) + b"abc"
    keys = ("general.file_type", ".context_length", "general.base_model.count", "tokenizer.ggml.eos_token_id")
    path.write_bytes(header(*((key, 8, text) for key in (*keys, "tokenizer.ggml.tokens"))))
    file = read_gguf(path)
    assert (file.file_type, file.context, file.base_models, file.end_token) == ("", 0, [], "")
    path.write_bytes(header(("general.base_model.count", 10, struct.pack("<Q", 1 << 60))))
    assert read_gguf(path).base_models == []


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_file_with_wrong_bytes_is_read_or_refused_and_nothing_else(written, changes):
    whole = bytearray(written.read_bytes())
    begin = whole.index(b"k.u8")  # the tensors' descriptions and some metadata come behind it
    for place, value in changes:
        whole[place % len(whole) if place % 2 else begin + place % (len(whole) - begin)] = value
    broken = written.with_name("broken.gguf")
    broken.write_bytes(whole)
    with contextlib.suppress(UserError):
        file = read_gguf(broken)
        assert isinstance(file.context, int)
        texts = (file.file_type, file.end_token, file.architecture, *file.base_models)
        assert all(isinstance(one, str) for one in texts)
        assert all(isinstance(one, int) for one in (file.parameters, *file.mix.values()))
        assert file.record is None


def test_what_is_no_gguf_is_refused(tmp_path):
    (tmp_path / "text.gguf").write_text("SELECT 1;" * 10)
    with pytest.raises(UserError, match="no GGUF file"):
        read_gguf(tmp_path / "text.gguf")
    with pytest.raises(UserError, match="no such GGUF file"):
        read_gguf(tmp_path / "none.gguf")


def test_a_record_of_another_format_or_no_json_is_refused(tmp_path):
    for text, message in (("{", "is no JSON"), ('{"format": 99}', "a record of another format")):
        path = tmp_path / "record.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_string("sqlfocus.record", text)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        with pytest.raises(UserError, match=message):
            _ = read_gguf(path).record
