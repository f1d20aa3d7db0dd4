"""What the project stands on: ``sbom.cdx.json`` (CycloneDX) and ``docs/licences.md``, from what ``make setup`` made.

python .ci/sbom.py [--environment .venv]      (needs cyclonedx-bom)
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SBOM, TABLE = ROOT / "sbom.cdx.json", ROOT / "docs" / "licences.md"
BESIDES = {"llama-cpp-python", "diskcache"}
"""What users install that requirements.txt leaves out: the extra ``gguf``, which is compiled."""
FILES_SAY = {
    "axe-playwright-python": "MIT",
    "deepspeed": "Apache-2.0",
    "peewee": "MIT",
    "protobuf": "BSD-3-Clause",
    "transformers": "Apache-2.0",
}
"""Packages whose metadata name no licence, as their licence files or their projects have it."""
KEPT = ("bom-ref", "licenses", "name", "purl", "type", "version")
HEAD = """\
# Licences

What the project stands on, and under which licence each package says that it is; made by `.ci/sbom.py` from the
environment of `make setup` on Linux, Python {python}. [sbom.cdx.json](../sbom.cdx.json) has the same for machines.
None of it is part of this repository or of its wheel. "tests" are needed to test and check the project only.

| package | version | licence | |
|---|---|---|---|
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", type=Path, default=ROOT / ".venv", help="(%(default)s)")
    args = parser.parse_args()
    python = args.environment / "bin" / "python"
    tool = Path(sys.executable).with_name("cyclonedx-py")
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "sbom.json"
        subprocess.run([tool, "environment", "--output-reproducible", "-o", found, python], check=True)
        document = json.loads(found.read_text(encoding="utf-8"))
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    users = {canonical(name) for name in re.findall(r"^([\w.-]+)==", pins, re.MULTILINE)} | BESIDES
    rows = []
    components = [one for one in document["components"] if canonical(one["name"]) not in ("sql-focus-finetune", "pip")]
    for component in components:
        name = canonical(component["name"])
        if name in FILES_SAY and not component.get("licenses"):
            component["licenses"] = [{"license": {"acknowledgement": "concluded", "id": FILES_SAY[name]}}]
        for key in set(component) - set(KEPT):
            del component[key]
        component["scope"] = "required" if name in users else "excluded"
        for_tests = "" if name in users else "tests"
        rows.append(f"| {component['name']} | {component['version']} | {licence(component)} | {for_tests} |")
    document["components"] = components
    document["metadata"] = {
        "component": {"bom-ref": "sql-focus-finetune", "name": "sql-focus-finetune", "type": "application"}
    }
    known = {one["bom-ref"] for one in components} | {"sql-focus-finetune"}
    document["dependencies"] = [
        {"ref": one["ref"], "dependsOn": [other for other in one.get("dependsOn", []) if other in known]}
        for one in document["dependencies"]
        if one["ref"] in known
    ]
    SBOM.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    version = subprocess.run([python, "-V"], check=True, capture_output=True, text=True).stdout.split()[1]
    text = HEAD.format(python=version) + "\n".join(sorted(rows, key=str.lower)) + "\n"
    TABLE.write_text(text, encoding="utf-8")
    print(f"{SBOM.name}: {len(components)} components; {TABLE.name}: {len(rows)} lines")
    return 0


def canonical(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence(component: dict) -> str:
    """In SPDX's terms where the package uses them, else by its classifiers."""
    exact, classifiers = [], []
    for one in component.get("licenses", []):
        inner = one.get("license", {})
        text = one.get("expression") or inner.get("id") or inner.get("name") or ""
        if text.startswith("License :: "):
            classifiers.append(text.removeprefix("License :: ").removeprefix("OSI Approved :: "))
        else:
            exact.append(text)
    return ", ".join(exact or classifiers) or "not stated"


if __name__ == "__main__":
    sys.exit(main())
