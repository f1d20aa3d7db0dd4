"""Let atheris (https://github.com/google/atheris) look for inputs that break what reads from outside.

    pip install atheris
    python tests/fuzz.py TARGET [--seconds 60]

It keeps the inputs that reach new code in a folder below the system's temporary one, and goes on from them.
"""

import argparse
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Run one target until its time is up or something is found; libFuzzer then prints the input and ends with 77."""
    import atheris

    with atheris.instrument_imports(include=["sqlfocus", "sqlglot"]):
        from fuzz_targets import TARGETS, feed

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    args = parser.parse_args()
    target = TARGETS[args.target]
    corpus = Path(tempfile.gettempdir()) / "sqlfocus-fuzz" / args.target
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    with tempfile.TemporaryDirectory() as scratch:
        words = [str(corpus), f"-max_total_time={args.seconds}", "-timeout=20", "-rss_limit_mb=4096", "-max_len=8192"]
        atheris.Setup([sys.argv[0], *words], lambda data: feed(target, data, Path(scratch)))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
