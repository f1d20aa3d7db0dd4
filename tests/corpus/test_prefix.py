import random

from hypothesis import given
from hypothesis import strategies as st

from sqlfocus.corpus.prefix import common_prefix, group_by_prefix, shared_length

TOKENS = st.lists(st.integers(0, 3), min_size=1, max_size=12)


@given(TOKENS, TOKENS)
def test_common_prefix_is_what_a_loop_finds(first, second):
    expected = 0
    while expected < min(len(first), len(second)) and first[expected] == second[expected]:
        expected += 1
    assert common_prefix(first, second) == expected


@given(st.lists(TOKENS, min_size=1, max_size=20))
def test_groups_hold_each_sequence_once_and_leave_each_something_of_its_own(sequences):
    groups = group_by_prefix(sequences)
    assert sorted(index for group in groups for index in group) == list(range(len(sequences)))
    for group in groups:
        members = [sequences[index] for index in group]
        length = shared_length(members)
        assert all(member[:length] == members[0][:length] and length < len(member) for member in members)


def test_databases_are_told_apart_whatever_the_order():
    source = random.Random(1)
    instruction = list(range(30))
    sequences, owner = [], []
    for database in range(8):
        schema = [100 + database, *(source.randrange(1000) for _ in range(100 * database + 60))]
        for _ in range(database + 1):
            sequences.append(instruction + schema + [source.randrange(1000) for _ in range(15)])
            owner.append(database)
    groups = group_by_prefix(sequences)
    # A database with a single question may share the instruction with a neighbour; the others stand alone.
    assert all(len({owner[index] for index in group} - {0}) <= 1 for group in groups)


def test_what_shares_only_the_instruction_still_shares_that():
    sequences = [[1] * 30 + [n] * 70 for n in range(2, 10)]
    assert len(group_by_prefix(sequences)) == 1
