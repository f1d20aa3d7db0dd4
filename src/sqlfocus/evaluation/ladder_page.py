"""A ladder's report as one HTML file that needs nothing else: no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from sqlfocus.evaluation.ladder_choice import Choice, Compared
from sqlfocus.evaluation.ladder_report import HEAD, cells, notes, svg

QUESTIONS_SHOWN = 12
"""Of a type, how many questions that it answers wrong and the reference right."""

STYLE = """
:root{color-scheme:light dark;--ground:#f4f5f8;--surface:#fff;--ink:#1a212b;--dim:#586271;--line:#dde1e8;--good:#146c43;
--soft:#e8f3ed}
@media(prefers-color-scheme:dark){:root{--ground:#10141a;--surface:#181d25;--ink:#e4e8ee;--dim:#9aa5b4;--line:#2e3744;
--good:#6fd3a2;--soft:#1c3128}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI","Noto Sans",
"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}
main{max-width:1320px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:22px;margin:0 0 4px}h2{font-size:16px;margin:34px 0 10px}p{margin:6px 0}.dim{color:var(--dim)}
.choice{background:var(--soft);border-left:4px solid var(--good);border-radius:6px;padding:12px 16px;margin:18px 0 10px}
.card,details{background:var(--surface);border:1px solid var(--line);border-radius:10px}
.card{overflow-x:auto}.card svg{display:block;width:100%;max-width:900px;margin:0 auto;border-radius:10px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
table{font-size:14px}th,td{padding:6px 9px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600;color:var(--dim)}thead th{white-space:normal;vertical-align:bottom}
tbody th{color:var(--ink)}tbody tr:last-child>*{border-bottom:0}
th:first-child{text-align:left}tr.taken>*{background:var(--soft)}tr.reference>*{font-weight:650}
table.plain td{text-align:left;white-space:normal;overflow-wrap:anywhere}table.plain th{width:1%}
details{margin:8px 0;padding:8px 14px}summary{cursor:pointer;font-weight:600}
details article{border-top:1px solid var(--line);margin-top:10px;padding-top:8px}
pre{margin:4px 0;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.45 ui-monospace,Menlo,Consolas,monospace}
dt{color:var(--dim);font-size:13px}dd{margin:0 0 6px}
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Even if something slipped into the page, a browser would fetch and run nothing."""

MEANINGS = {
    "EX": "share of questions whose SQL returns what the gold query returns, with Wilson's 95 % interval",
    "difference": "EX less the reference's on the same questions, with Tango's 95 % interval for paired proportions",
    "p": "McNemar's exact test: how likely so uneven a split, or more, is where both are equally good",
    "same SQL": "share of questions answered with the reference's SQL, character by character; where an answer is no "
    "SQL, with its text",
    "size": "of the weights' files (an adapter's with its base's); share: of the reference's",
    "memory": "the most that the process held at a time, loading and answering, Python included; a GGUF file is mapped "
    "into memory, and its pages that were read count; what lies on a GPU does not",
    "first token": "median time to an answer's first token where the schema has been computed; new schema: where it "
    "has not; one question at a time, without drafts",
    "tokens/s": "one question at a time, after the first token, a token a pass, not held to the schema",
    "answers/s": "all questions in batches, as sqlfocus evaluate asks them",
}


def page(
    compared: Sequence[Compared],
    choice: Choice,
    *,
    name: str,
    settings: Mapping[str, str],
    failed: Mapping[str, str],
) -> str:
    """The whole page; ``failed`` has the rungs that were not measured, and why."""
    title = f"Compare {name}"
    recommended, *others = notes(compared, choice)
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>",
        f'<h1>{escape(title)}</h1><p class="dim">{choice.reference.score.questions} questions; '
        f"measured {escape(max(one.measured.date for one in compared))}</p>",
        f'<p class="choice">{escape(recommended)}</p>',
        *(f"<p>{escape(line)}</p>" for line in others),
        *(f"<p>{escape(rung)} was not measured: {escape(why)}</p>" for rung, why in failed.items()),
        f'<h2>Accuracy and size</h2><div class="card">{svg(compared, choice, title=title)}</div>',
        f'<h2>All figures</h2><div class="card">{_figures(compared, choice)}</div>',
        "<details><summary>What the columns mean</summary>",
        _plain(MEANINGS),
        "</details>",
        *_lost(compared, choice),
        "<h2>How it was measured</h2>",
        f'<div class="card">{_plain({**settings, **choice.reference.measured.machine})}</div>',
    ]
    mixes = {one.rung.name: _mix(one.measured.mix) for one in compared if one.measured.mix}
    if mixes:
        parts.append(f'<h2>Types of the weights in each file</h2><div class="card">{_plain(mixes)}</div>')
    return "".join([*parts, "</main></body></html>\n"])


def _figures(compared: Sequence[Compared], choice: Choice) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in HEAD)
    rows = []
    for one in compared:
        kind = "reference" if one is choice.reference else "taken" if one is choice.taken else ""
        first, *others = cells(one, choice)
        row = f'<th scope="row">{escape(first)}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in others)
        rows.append(f'<tr class="{kind}">{row}</tr>')
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _plain(values: Mapping[str, str]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in values.items()
    )
    return f'<table class="plain"><tbody>{rows}</tbody></table>'


def _mix(mix: Mapping[str, int]) -> str:
    whole = sum(mix.values())
    return ", ".join(f"{kind} {100 * count / whole:.1f} %" for kind, count in mix.items())


def _lost(compared: Sequence[Compared], choice: Choice) -> Iterator[str]:
    """For each quantized type, some questions that it answers wrong and the reference right."""
    losing = [one for one in compared if one.rung.quantized and one.lost]
    if losing:
        yield f"<h2>Questions that {escape(choice.reference.rung.name)} answers right and a quantized model wrong</h2>"
    for one in losing:
        shown = one.lost[:QUESTIONS_SHOWN]
        more = f", {len(shown)} shown" if len(shown) < len(one.lost) else ""
        yield (
            f"<details><summary>{escape(one.rung.name)}: {len(one.lost)} lost{more}, {one.pair.gained} gained</summary>"
        )
        for mine, theirs in shown:
            why = f": {mine['reason']}" if mine["reason"] else ""
            yield f'<article><p>{escape(mine["question"])} <span class="dim">({escape(mine["db_id"])})</span></p><dl>'
            for told, text in (
                (f"{one.rung.name}, {mine['verdict']}{why}", mine["sql"] or mine["completion"]),
                (choice.reference.rung.name, theirs["sql"]),
                ("gold", mine["gold"]),
            ):
                yield f"<dt>{escape(told)}</dt><dd><pre>{escape(text)}</pre></dd>"
            yield "</dl></article>"
        yield "</details>"
