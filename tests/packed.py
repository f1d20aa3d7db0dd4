"""What tests of packing share: examples with one prefix, and an attention that gets it wrong."""

import random

from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from sqlfocus.training.packing import TokenizedExample

IGNORES_THE_LAYOUT = "ignores_the_layout"
"""The name of an attention for which a pack is one text."""


def examples(count=8, schema=100):
    """Examples behind one prefix of ``schema`` tokens."""
    source = random.Random(0)

    def words(count):
        return [source.randrange(1, 97) for _ in range(count)]

    prefix = words(schema)
    return [TokenizedExample(prefix + words(9), [*words(6), 0]) for _ in range(count)]


def _ignores_the_layout(module, query, key, value, attention_mask, *, layout=None, **kwargs):
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)


AttentionInterface.register(IGNORES_THE_LAYOUT, _ignores_the_layout)
AttentionMaskInterface.register(IGNORES_THE_LAYOUT, sdpa_mask)
