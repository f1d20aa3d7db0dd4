"""Python without the packages of the extra ``train``: as good as not installed, in every process that it starts."""

TRAIN = (
    *("torch", "transformers", "peft", "accelerate", "swanlab", "safetensors", "tokenizers", "gguf", "sentencepiece"),
    "huggingface_hub",
)
"""What is imported by those names, the libraries that come with them included."""


def hidden(missing=TRAIN):
    """Code to run first, after which the packages cannot be imported."""
    return f"import sys\nfor name in {missing!r}:\n    sys.modules[name] = None\n"
