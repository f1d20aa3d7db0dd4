import os

import pytest

from sqlfocus.inference.prefixes import PrefixCache, PrefixFolder


def test_the_least_recently_used_goes_when_the_bytes_are_spent():
    gone = []
    cache = PrefixCache(10, size=len, on_evict=gone.append)
    assert cache.get([1], lambda: "aaaa") == "aaaa"
    assert cache.get([2], lambda: "bbbb") == "bbbb"
    assert cache.get([1], lambda: "never made again") == "aaaa"
    assert cache.get([3], lambda: "cccc") == "cccc"
    assert gone == ["bbbb"]
    assert (cache.hits, cache.misses, cache.evictions, cache.bytes, len(cache)) == (1, 3, 1, 8, 2)
    assert cache.get([2], lambda: "BBBB") == "BBBB"
    assert gone == ["bbbb", "aaaa"]


def test_what_is_larger_than_the_bound_is_used_and_not_kept():
    cache = PrefixCache(3, size=len)
    assert cache.get([1], lambda: "abc") == "abc"
    assert cache.get([2], lambda: "abcdef") == "abcdef"
    assert (len(cache), cache.bytes, cache.evictions) == (1, 3, 0)


def test_a_file_is_found_again_by_its_model_and_tokens_alone(tmp_path):
    folder = PrefixFolder(tmp_path / "prefixes", "model a", ending="bin")
    assert folder.find([1, 2]) is None
    folder.save([1, 2], lambda path: path.write_bytes(b"state"))
    assert PrefixFolder(tmp_path / "prefixes", "model a", ending="bin").find([1, 2]).read_bytes() == b"state"
    assert folder.find([1, 23]) is None
    assert folder.find([12]) is None
    assert PrefixFolder(tmp_path / "prefixes", "model b", ending="bin").find([1, 2]) is None


def test_a_file_that_is_not_whole_is_never_there(tmp_path):
    folder = PrefixFolder(tmp_path, "m", ending="bin")

    def half(path):
        path.write_bytes(b"ha")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.save([1], half)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_keeps_to_its_bound_oldest_first(tmp_path):
    folder = PrefixFolder(tmp_path, "m", most_bytes=25, ending="bin")
    for token in range(2):
        folder.save([token], lambda path: path.write_bytes(b"0123456789"))
        os.utime(folder.path([token]), (token, token))
    assert folder.find([0]) is not None  # and so it is younger than the other
    folder.save([2], lambda path: path.write_bytes(b"0123456789"))
    assert [folder.find([token]) is not None for token in range(3)] == [True, False, True]
    folder.save([3], lambda path: path.write_bytes(b"0" * 100))
    assert [folder.find([token]) is not None for token in range(4)] == [False, False, False, True]


def test_a_folder_that_cannot_be_written_to_is_said_once_and_stops_nothing(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    folder = PrefixFolder(tmp_path / "file", "m", ending="bin")
    for token in range(3):
        folder.save([token], lambda path: path.write_bytes(b""))
        assert folder.find([token]) is None
    assert capsys.readouterr().err.count("not kept for the next start") == 1
