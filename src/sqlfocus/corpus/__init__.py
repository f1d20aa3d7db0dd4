"""Examples, prompts, benchmarks and synthesis."""
