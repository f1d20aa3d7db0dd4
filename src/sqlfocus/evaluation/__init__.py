"""Is this SQL right? Verdicts, a model over a benchmark, reports."""
