"""What is made of a measured ladder: table, plot, page."""

import dataclasses
import re
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from browser import chromium, shoot
from made_up_ladder import made_up, whole_ladder
from sqlfocus.evaluation.ladder_choice import choose, compare_to
from sqlfocus.evaluation.ladder_page import page
from sqlfocus.evaluation.ladder_plot import HEIGHT, LEFT, WIDTH, Point, label_boxes, plot
from sqlfocus.evaluation.ladder_report import notes, svg, table
from sqlfocus.evaluation.ladder_rungs import reference_of

HARM = "<script>alert(1)</script><img src=https://example.org/x.png onerror=alert(2)>\"'&"


def read(measured):
    reference = reference_of([one.rung for one in measured])
    compared = compare_to(measured, reference)
    return compared, choose(compared, reference, margin=0.05)


def a_page(measured, **options):
    return page(*read(measured), **{"name": "shop-R1", "settings": {}, "failed": {}, **options})


def test_the_table_marks_the_reference_and_the_recommended_one():
    lines = table(*read(whole_ladder())).splitlines()
    assert " ".join(lines[5].split()) == (
        "F16 (reference) 0.373 0.321–0.429 – – – – 271 MB 100 % 813 MB 20 ms 1,500 ms 41.5 2.2"
    )
    (taken,) = [line for line in lines if "(recommended)" in line]
    assert taken.split()[:8] == ["Q4_K_M", "(recommended)", "0.367", "0.314–0.423", "−0.007", "−0.028", "to", "+0.012"]
    assert table(*read(whole_ladder()), markdown=True).startswith("| model ")


def test_the_recommendation_comes_first_and_what_is_missing_after_it():
    measured = [
        dataclasses.replace(made_up("Q8_0", set(range(90)), size=145), gold_failed=2),
        made_up("Q2_K", set(range(90)), questions=200, size=88),
    ]
    lines = list(notes(*read(measured)))
    assert lines[0].startswith("Take Q2_K (88 MB, 61 % of Q8_0)")
    assert "What ran them: llama.cpp on cpu: Q8_0, Q2_K." in lines
    assert "There is no model in F16 here: Q8_0, the largest file, is the reference." in lines
    assert "2 questions left out because their gold query fails." in lines
    assert lines[-1] == "Q2_K: 100 questions were judged on one side alone."


def test_the_page_needs_nothing_from_elsewhere():
    text = a_page(whole_ladder())
    assert "<script" not in text
    assert not re.search(r"(src|href|url|@import)\s*[=(]", text)
    assert set(re.findall(r"https?://[^\"'<\s]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "default-src &#x27;none&#x27;" in text


def test_whatever_a_model_or_question_holds_stays_text():
    good, bad = made_up("F16", {0, 1}, size=271), made_up("Q2_K", {1}, size=88, reason=HARM)
    for row in [*good.rows, *bad.rows]:
        row["question"] = f"{row['question']} 多少头牛？{HARM}"
    for row in bad.rows:
        row["sql"] = HARM
    bad = dataclasses.replace(bad, rung=dataclasses.replace(bad.rung, name=f"Q2_K{HARM}"), mix={HARM: 1})
    good = dataclasses.replace(good, machine={"processor": HARM})
    text = a_page([good, bad], name=HARM, settings={HARM: HARM}, failed={HARM: HARM})
    assert "<script" not in text
    assert "<img" not in text
    assert "多少头牛？&lt;script&gt;" in text


def test_the_page_shows_questions_that_were_lost_and_the_types_of_weights():
    text = a_page(whole_ladder())
    assert "Q2_K: 60 lost, 12 shown, 30 gained" in text
    assert "Question 0?" in text
    assert "Q4_K 75.0 %, Q6_K 25.0 %" in text


def test_a_question_without_sql_shows_what_was_written():
    good, bad = made_up("F16", {0}, size=271), made_up("Q2_K", set(), size=88)
    bad.rows[0] |= {"sql": "", "completion": "I cannot say."}
    assert "I cannot say." in a_page([good, bad])


def test_the_plot_is_well_formed_and_has_every_rung():
    compared, choice = read(whole_ladder())
    tree = ET.fromstring(svg(compared, choice, title="多少 & <b>"))
    texts = ["".join(node.itertext()) for node in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {one.rung.name for one in compared} <= set(texts)
    assert "多少 & <b>" in texts


SPOTS = st.lists(
    st.tuples(st.floats(LEFT + 8, WIDTH - 40), st.floats(80, HEIGHT - 110), st.floats(0, 30), st.floats(0, 30)),
    min_size=1,
    max_size=14,
)


@settings(deadline=None)
@given(SPOTS)
def test_no_label_lies_on_another(spots):
    spots = [(x, y, y - above, y + below) for x, y, above, below in spots]
    boxes = label_boxes([f"Q{place}_K_M" for place in range(len(spots))], spots)
    assert not any(first.meets(second) for first, second in combinations(boxes, 2))


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(1e6, 1e11), st.floats(0, 1)), min_size=1, max_size=14))
def test_any_ladder_can_be_drawn(rungs):
    points = [
        Point(f"Q{place}", size, ex, max(0.0, ex - 0.05), min(1.0, ex + 0.05), "quantized", place == 0)
        for place, (size, ex) in enumerate(rungs)
    ]
    tree = ET.fromstring(plot(points, title="any"))
    marks = list(tree.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(marks) == len(points)
    assert all(LEFT <= float(mark.get("cx")) <= WIDTH and 0 <= float(mark.get("cy")) <= HEIGHT for mark in marks)
    places = sorted(float(mark.get("cx")) for mark in marks)
    assert all(after - before > 8 for before, after in pairwise(places))


@pytest.mark.browser
def test_a_browser_shows_the_file_as_it_is_and_fetches_nothing(tmp_path):
    file = tmp_path / "compare.html"
    file.write_text(a_page(whole_ladder(), name=HARM), encoding="utf-8")
    with chromium() as browser:
        for scheme in ("light", "dark"):
            shown = browser.new_page(color_scheme=scheme, viewport={"width": 1320, "height": 1200})
            fetched, said = [], []
            shown.on("request", lambda request, fetched=fetched: fetched.append(request.url))
            shown.on("console", lambda message, said=said: said.append(message.text))
            shown.goto(file.as_uri())
            assert fetched == [file.as_uri()]
            assert said == []
            assert shown.locator("tr.taken th").inner_text() == "Q4_K_M (recommended)"
            assert shown.locator("svg .taken circle").count() == 1
            assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
            shoot(shown, f"compare-{scheme}")
