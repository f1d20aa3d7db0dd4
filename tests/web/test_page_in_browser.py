"""The page in Chromium, before the real service with a small model and real databases."""

import csv
import io
import json
import re
import time
from pathlib import Path

import pytest

import services
from browser import HARM, Server, chromium, make_hostile, shoot

pytestmark = [pytest.mark.browser, pytest.mark.model]

BY_COUNTRY = "SELECT country, count(*) AS customers FROM customers GROUP BY country ORDER BY customers DESC"
MANY = (
    "SELECT a.id AS a, b.id AS b, a.ordered_on, b.status, a.employee_id, a.customer_id, b.customer_id AS other, "
    "a.id * 1.5 AS share FROM orders AS a CROSS JOIN orders AS b"
)
ENDLESS = "SELECT count(*) FROM order_items AS a, order_items AS b, order_items AS c, order_items AS d"


@pytest.fixture(scope="module")
def engine(smollm2):
    from sqlfocus.inference.loading import load_engine

    return load_engine(str(smollm2))


@pytest.fixture(scope="module")
def service(engine, tmp_path_factory):
    from sqlfocus.demo.shop import build_shop
    from sqlfocus.web.config import DatabaseSettings
    from sqlfocus.web.live import Catalog, LiveDatabase
    from sqlfocus.web.service import Service

    folder = tmp_path_factory.mktemp("databases")
    paths = {"shop": build_shop(folder / "shop.sqlite"), "hostile": make_hostile(folder / "hostile.sqlite")}
    # Without sample values, the schema's tokens are few.
    databases = [LiveDatabase(DatabaseSettings(name, str(path)), max_values=0) for name, path in paths.items()]
    service = Service(*engine, Catalog(databases), most_at_a_time=2, max_new_tokens=48)
    yield service
    service.close()


@pytest.fixture(scope="module")
def review(tmp_path_factory):
    return tmp_path_factory.mktemp("review") / "feedback.jsonl"


@pytest.fixture(scope="module")
def server(service, review):
    from sqlfocus.web.app import create_app

    server = Server(create_app(service, review_file=review))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def chrome():
    with chromium() as browser:
        yield browser


@pytest.fixture
def open_page(chrome, server):
    """Opens the page; at the end nothing may have gone wrong in it but what the network did."""
    contexts, wrong = [], []

    def open_it(address="", *, url=None, ready=True, **options):
        options = {"viewport": {"width": 1280, "height": 860}, "locale": "en-GB", **options}
        context = chrome.new_context(permissions=["clipboard-read", "clipboard-write"], **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.on("console", lambda said: said.type in ("error", "warning") and wrong.append(said.text))
        page.goto((url or server.url) + address)
        if ready:
            page.wait_for_selector("body[data-ready]")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert [one for one in wrong if not one.startswith("Failed to load resource")] == []


def test_sql_that_does_not_run_goes_back_to_the_model(open_page, farm, tmp_path):
    options = {"review_file": tmp_path / "review.jsonl", "constrained": False}
    with services.running(*services.load(farm), [("farm", farm / "farm.sqlite")], **options) as (_, app):
        server = Server(app)
        try:
            page = open_page(url=server.url)
            page.fill("#question", "Who sings?")
            with page.expect_response("**/ask") as asked:
                page.keyboard.press("Enter")
            assert [one["error"] for one in asked.value.json()["attempts"]][:1] == ["no such column: singer"]
            page.wait_for_selector("#sql-error:not([hidden])")
            assert "no such column: singer" in page.inner_text("#sql-error")
            page.click("#details-summary")
            assert page.inner_text("#details-body").count("no such column: singer") == 1
            shoot(page, "mended")
        finally:
            server.stop()


def write(page, sql):
    """SQL into the editor, as someone who pastes it."""
    page.click(".cm-content")
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(sql)
    page.keyboard.press("Escape")


def run(page, sql):
    write(page, sql)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#result-card:not([hidden]) .ag-header-cell")


def editor_text(page):
    return "\n".join(page.locator(".cm-line").all_inner_texts())


def cells(page, place):
    """A column's shown cells."""
    return page.locator(f"#table .ag-row .ag-cell[col-id='{place}']").all_inner_texts()


def axe(page):
    """What axe-core finds wrong, of WCAG 2's levels A and AA."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]}).response["violations"]
    return [(one["id"], node["target"], node.get("failureSummary")) for one in found for node in one["nodes"]]


def test_a_question_is_answered_run_and_judged(open_page, review):
    page = open_page()
    shoot(page, "start")
    assert page.locator("#question").evaluate("field => field === document.activeElement")
    assert page.locator("#schema-tree > li").count() == 8
    page.keyboard.type("How many customers are there?")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ask-stop:not([hidden])")
    shoot(page, "asking")
    page.wait_for_selector("#answer-foot:not([hidden])")
    page.wait_for_selector("#ask:not([hidden])")
    page.wait_for_selector("#run:not([hidden])")
    # The answer of so small a model may be wrong, but it is SQL of this schema, and it runs.
    assert page.inner_text("#sql-error") == "" and page.locator("#result-card").is_visible()
    sql = editor_text(page)
    assert sql.upper().startswith("SELECT")
    page.click("#details summary")
    assert "SmolLM2" in page.inner_text("#details-summary") and "from the cache" in page.inner_text("#details-body")
    shoot(page, "answered")
    page.click("#good")
    page.wait_for_selector("#good[aria-pressed=true]")
    write(page, "SELECT count(*) FROM customers WHERE id > 0")
    assert page.locator("#sql-edited").is_visible()
    page.click("#save-corrected")
    page.wait_for_selector("#save-corrected", state="hidden")
    shoot(page, "corrected")
    good, corrected = (json.loads(line) for line in review.read_text(encoding="utf-8").splitlines())
    assert good["question"] == corrected["question"] == "How many customers are there?"
    assert (good["verdict"], corrected["verdict"]) == ("right", "wrong")
    assert "WHERE id > 0" in json.dumps(corrected)


def test_edited_sql_runs_and_sorts_as_numbers(open_page):
    page = open_page()
    run(page, BY_COUNTRY)
    shoot(page, "rows")
    counts = [int(text) for text in cells(page, 1)]
    assert counts == sorted(counts, reverse=True) and len(counts) > 5
    page.click("#table .ag-header-cell[col-id='1']")
    assert [int(text) for text in cells(page, 1)] == sorted(counts)
    page.click("#table .ag-header-cell[col-id='0']")
    assert cells(page, 0) == sorted(cells(page, 0))


def test_null_stands_last_and_is_told_from_text(open_page):
    page = open_page("?database=hostile")
    run(page, 'SELECT "=1+1", negative FROM plain')
    header = "#table .ag-header-cell[col-id='1']"
    for expected in (["-5", "1", "2", "9", "10", "NULL"], ["10", "9", "2", "1", "-5", "NULL"]):
        page.click(header)
        assert cells(page, 1) == expected
    assert page.locator("#table .ag-cell.null").count() == 2


def test_a_chart_is_drawn_and_described(open_page):
    page = open_page()
    assert page.evaluate("performance.getEntriesByType('resource').filter(one => /echart/.test(one.name)).length") == 0
    run(page, BY_COUNTRY)
    page.click("[data-view=chart]")
    page.wait_for_selector("#chart canvas")
    assert "customers" in page.get_attribute("#chart", "aria-label")
    shoot(page, "chart")
    page.click("#theme")
    shoot(page, "chart-dark")
    page.click("[data-view=table]")
    assert page.locator("#table .ag-row").first.is_visible() and not page.locator("#chart canvas").count()
    run(page, "SELECT name FROM customers")
    assert not page.locator("#views").is_visible()
    run(page, "SELECT name FROM customers WHERE id < 0")
    assert page.locator("#table :text('No rows')").is_visible()
    shoot(page, "no-rows")


def test_an_option_of_every_kind_of_chart_is_data(open_page):
    page = open_page()
    for kind, rows in {
        "bar": [["a", 1], ["b", None]],
        "line": [["2024-02-01", 2], ["2024-01-01", "1.5"]],
        "scatter": [[1, 2], [3, 4]],
    }.items():
        columns = [{"name": "x", "kind": "time" if kind == "line" else "text"}, {"name": "y", "kind": "number"}]
        result = {"columns": columns, "rows": rows, "chart": {"kind": kind, "x": 0, "y": [1]}}
        option = page.evaluate(
            "async ([result]) => (await import('/static/chart.js')).chartOption(result, {series: []}, 900)", [result]
        )
        assert option["series"][0]["type"] == kind and option["tooltip"]["renderMode"] == "richText"
    assert option["series"][0]["data"] == [[1, 2], [3, 4]]


def test_rows_are_downloaded_as_they_stand_in_the_table(open_page):
    page = open_page("?database=hostile")
    page.fill("#question", "What is plain?")
    run(page, 'SELECT "=1+1", negative, negative FROM plain')
    page.click("#table .ag-header-cell[col-id='1']")
    with page.expect_download() as given:
        page.click("#csv")
    assert given.value.suggested_filename == "What-is-plain.csv"
    content = given.value.path().read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert rows[0] == ["'=1+1", "negative", "negative"] or rows[0][1:] == ["negative", "negative"]
    assert [row[1] for row in rows[1:]] == ["-5", "1", "2", "9", "10", ""]
    assert [row[0] for row in rows[1:]] == ['\'=cmd|"/c calc"!A1', "-12.5", "a,b", "two\nlines", "", ""]
    assert b'\r\n"",,\r\n' in content and b"\r\n,10,10\r\n" in content  # an empty text is not NULL
    with page.expect_download() as given:
        page.click("#json")
    objects = json.loads(given.value.path().read_text(encoding="utf-8"))
    assert objects[0] == {"=1+1": '=cmd|"/c calc"!A1', "negative": -5, "negative_2": -5} and objects[-1]["=1+1"] == ""
    page.click("#result-copy")
    page.wait_for_selector("#result-copy:has-text('Copied')")
    lines = page.evaluate("navigator.clipboard.readText()").replace("\r\n", "\n").split("\n")
    assert lines[1].split("\t") == ['=cmd|"/c calc"!A1', "-5", "-5"] and lines[4] == "two lines\t9\t9"


def test_faulty_and_refused_sql_say_why(open_page):
    page = open_page()
    for name, sql, reason in (
        ("wrong", "SELECT nme FROM customers", "nme"),
        ("refused", "DROP TABLE customers", "SELECT"),
        ("faulty", "SELEC 1", ""),
    ):
        write(page, sql)
        page.click("#run")
        page.wait_for_selector("#sql-error:not([hidden])")
        page.wait_for_selector("#run:not([hidden])")
        assert reason in page.inner_text("#sql-error") and len(page.inner_text("#sql-error")) > 10
        assert not page.locator("#result-card").is_visible()
        shoot(page, name)


def test_a_query_is_stopped(open_page, service):
    page = open_page()
    stopped = []
    page.on("request", lambda request: request.method == "DELETE" and stopped.append(request.url.rpartition("/")[2]))
    write(page, ENDLESS)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#run-stop:not([hidden])")
    page.wait_for_timeout(300)
    shoot(page, "running")
    page.click("#run-stop")
    page.wait_for_selector("#run:not([hidden])")
    assert page.inner_text("#status") == "Stopped."
    until = time.monotonic() + 8
    while service.stop(*stopped) and time.monotonic() < until:
        time.sleep(0.05)
    assert not service.stop(*stopped)  # the query has ended in the database, too
    run(page, "SELECT 1 AS one")


def test_a_full_queue_is_waited_for(open_page, service):
    page = open_page()
    page.fill("#question", "How many products are there?")
    with service.gate.place(), service.gate.place():
        page.keyboard.press("Enter")
        page.wait_for_selector("#working:has-text('Trying again in')")
        shoot(page, "busy")
        page.click("#ask-stop")
        page.wait_for_selector("#ask:not([hidden])")
        assert not page.locator("#working").is_visible()
        page.click("#ask")
        page.wait_for_selector("#working:has-text('Trying again in')")
    page.wait_for_selector("#answer-foot:not([hidden])", timeout=30_000)


def test_the_server_goes_and_comes_back(open_page, service, review):
    from sqlfocus.web.app import create_app

    server = Server(create_app(service, review_file=review))
    page = open_page(url=server.url)
    server.stop()
    run_it = page.locator("#run")
    write(page, "SELECT 7 AS seven")
    run_it.click()
    page.wait_for_selector("#banner:not([hidden])")
    shoot(page, "gone")
    assert editor_text(page) == "SELECT 7 AS seven"
    server.start()
    page.wait_for_selector("#banner", state="hidden")
    assert not page.locator("#sql-error").is_visible()
    run_it.click()
    page.wait_for_selector("#table .ag-cell:has-text('7')")
    server.stop()


def test_both_languages_are_remembered(open_page):
    page = open_page()
    run(page, BY_COUNTRY)
    page.click("[data-language=zh]")
    assert page.inner_text("#ask") == "提问" and page.get_attribute("html", "lang") == "zh-CN"
    assert re.fullmatch(r"\d+ 行 · .+ 毫秒", page.inner_text("#result-size"))
    assert "提问" in page.get_attribute("#question", "placeholder")
    shoot(page, "chinese")
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert page.inner_text("#run") == "执行"
    assert open_page(locale="zh-CN").inner_text("#ask") == "提问"
    # An input method's Enter takes its proposal and asks nothing.
    page.fill("#question", "多少客户")
    page.locator("#question").dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    assert not page.locator("#ask-stop").is_visible()


def test_the_theme_is_the_systems_until_another_is_chosen(open_page):
    page = open_page(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    assert max(map(int, re.findall(r"\d+", dark))) < 60
    page.click("#theme")
    assert min(map(int, re.findall(r"\d+", page.evaluate(ground)))) > 200
    page.reload()
    assert min(map(int, re.findall(r"\d+", page.evaluate(ground)))) > 200
    page.wait_for_selector("body[data-ready]")
    page.click("#theme")
    assert page.evaluate(ground) == dark and page.evaluate("localStorage['sqlfocus.theme']") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_against_wcag_aa(open_page, scheme):
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    page = open_page(color_scheme=scheme)
    page.click("#schema-tree [role=treeitem] >> nth=0", position={"x": 4, "y": 12})
    run(page, BY_COUNTRY + " -- by country")
    assert axe(page) == []
    write(page, "DROP TABLE customers")
    page.click("#run")
    page.wait_for_selector("#sql-error:not([hidden])")
    page.click("#history-open")
    assert axe(page) == []


def test_360_pixels_are_wide_enough(open_page):
    page = open_page(viewport={"width": 360, "height": 740}, has_touch=True)

    def fits():
        return page.evaluate("document.documentElement.scrollWidth") <= 360

    shoot(page, "narrow-start")
    assert fits()
    page.click("#schema-toggle")
    page.click("#schema-tree .name >> nth=0")
    assert page.input_value("#question") == "customers" and not page.locator("#sidebar").is_visible()
    page.click("#schema-toggle")
    shoot(page, "narrow-schema")
    assert fits()
    page.keyboard.press("Escape")
    assert page.locator("#schema-toggle").evaluate("button => button === document.activeElement")
    run(page, BY_COUNTRY)
    page.click("[data-view=chart]")
    page.wait_for_selector("#chart canvas")
    assert fits()
    shoot(page, "narrow-chart")
    page.click("[data-language=zh]")
    page.click("#hint summary")
    assert fits()
    write(page, MANY)
    page.click("#run")
    page.wait_for_selector("#truncated:not([hidden])")
    assert fits()
    shoot(page, "narrow-rows")


def test_ten_thousand_rows_are_quick(open_page, capsys):
    page = open_page()
    page.wait_for_timeout(500)  # the table's library is there
    write(page, MANY)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#truncated:not([hidden])")
    page.wait_for_selector("#table .ag-cell")
    assert "10,000 rows" in page.inner_text("#result-size") and "first 10,000" in page.inner_text("#truncated")
    assert page.locator("#table .ag-row").count() < 100  # those in view
    shoot(page, "many")
    settled = "await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));"
    shown = page.evaluate(
        f"""async () => {{
          const {{ showTable }} = await import("/static/table.js");
          const kinds = ["number", "text", "number", "time", "text", "boolean", "number", "text"];
          const text = "a longer text ".repeat(4);
          const day = (n) => `2024-01-${{(n % 19) + 10}}`;
          const row = (n) => [n, `name ${{n % 977}}`, n * 1.5, day(n), text, n % 2 === 0, null, `${{n}}`];
          const rows = Array.from({{ length: 10_000 }}, (_, n) => row((n * 7919) % 10_000));
          const columns = kinds.map((kind) => ({{ name: kind, kind }}));
          const begun = performance.now();
          await showTable(document.getElementById("table"), {{ columns, rows }}, document.body.dataset.nonce);
          {settled}
          return performance.now() - begun;
        }}"""
    )
    sort = f"""async (place) => {{
      const begun = performance.now();
      document.querySelector(`#table .ag-header-cell[col-id="${{place}}"] .ag-header-cell-label`).click();
      {settled}
      return performance.now() - begun;
    }}"""
    numbers, texts = page.evaluate(sort, 0), page.evaluate(sort, 1)
    assert cells(page, 1)[0] == "name 0"
    times = f"{shown:.0f} ms to show, {numbers:.0f} and {texts:.0f} ms to sort numbers and texts"
    with capsys.disabled():
        print(f"\n10,000 rows × 8 columns: {times}")


def test_the_history_gives_questions_back(open_page):
    page = open_page()
    for question, sql in (("How many?", "SELECT count(*) FROM orders"), ("Who?", "SELECT name FROM employees")):
        page.fill("#question", question)
        run(page, sql)
    page.reload()
    page.wait_for_selector("body[data-ready]")
    page.click("#history-open")
    shoot(page, "history")
    assert page.locator("#history-list .asked").all_inner_texts() == ["Who?", "How many?"]
    page.fill("#history-search", "COUNT(")
    page.click("#history-list button")
    assert page.input_value("#question") == "How many?" and editor_text(page) == "SELECT count(*) FROM orders"
    assert not page.locator("#result-card").is_visible()  # filled in, not run
    page.click("#history-open")
    page.click("#history-clear")
    assert page.locator("#history-list li").count() == 2  # it asks first
    page.click("#history-clear")
    assert page.inner_text("#history-empty") == "No questions yet."


def test_a_link_fills_in_and_runs_nothing(open_page):
    page = open_page()
    page.select_option("#database", "hostile")
    page.fill("#question", "Is 1 < 2 & 2 < 3? 是吗？")
    write(page, "SELECT 1 < 2")
    page.click("#link")
    page.wait_for_selector("#link:has-text('Copied')")
    link = page.evaluate("navigator.clipboard.readText()")
    asked = []
    other = open_page()
    other.on("request", lambda request: request.method == "POST" and asked.append(request.url))
    other.goto(link)
    other.wait_for_selector("body[data-ready]")
    other.wait_for_timeout(200)
    assert other.input_value("#question") == "Is 1 < 2 & 2 < 3? 是吗？" and editor_text(other) == "SELECT 1 < 2"
    assert other.input_value("#database") == "hostile" and asked == []
    other = open_page("?database=elsewhere&q=Who?")
    assert "no database elsewhere" in other.inner_text("#sql-error")


def test_names_and_values_are_never_taken_for_html(open_page):
    page = open_page("?database=hostile&q=<img src=x onerror=window.hacked=8>&sql=<script>window.hacked=9</script>")
    page.click("#schema-tree [role=treeitem] >> nth=0", position={"x": 4, "y": 12})
    assert "<img src=x" in page.inner_text("#schema-tree")
    page.hover("#schema-tree [aria-level='2'] >> nth=0")
    run(page, 'SELECT * FROM "<img src=x onerror=window.hacked=1>"')
    assert sorted(cells(page, 0)) == sorted(HARM)
    page.click("[data-view=chart]")
    page.wait_for_selector("#chart canvas")
    page.mouse.move(*[page.locator("#chart").bounding_box()[key] + 200 for key in ("x", "y")])
    shoot(page, "hostile")
    write(page, "SELECT '<img src=x onerror=window.hacked=10>' FROM nothing")
    page.click("#run")
    page.wait_for_selector("#sql-error:not([hidden])")
    page.click("#history-open")
    page.wait_for_timeout(200)
    assert page.evaluate("window.hacked") is None and page.locator("main img, aside img, dialog img").count() == 0


MADE_OF_HTML = (
    ":is(header, main, aside, dialog, #banner) :is(img, image, iframe, object, embed, base, meta, script, math, video, "
    "audio, xss, animate, link, style:not([nonce]), form:not([id]), a:not([class]), details:not([id]))"
)


def test_no_field_of_any_answer_is_taken_for_html(open_page):
    """Every text that the service sends is replaced by texts that would run, were they taken for HTML."""
    payloads = (Path(__file__).parent / "xss.txt").read_text(encoding="utf-8").splitlines()
    whole = " ".join(payloads)
    kept = {"sqlite", "number", "text", "bar", "line", "shop", "hostile", "/problems/sql-failed"}

    def harm(value):
        if isinstance(value, str):
            return value if value in kept else whole
        if isinstance(value, list):
            return [harm(one) for one in value]
        return {name: harm(one) for name, one in value.items()} if isinstance(value, dict) else value

    def answer(route):
        response = route.fetch()
        body = harm(response.json())
        if route.request.url.endswith("text2sql"):
            body |= {
                "parses": True,
                "allowed": True,
                "left_out": [whole],
                "notes": [whole],
                "reason": whole,
                "values": [{"table": whole, "column": whole, "value": whole}],
                "attempts": [{"sql_query": whole, "error": whole}] * 2,
            }
        route.fulfill(response=response, json=body)

    page = open_page()
    for path in ("**/text2sql", "**/ask", "**/execute", "**/schema", "**/refresh", "**/databases", "**/feedback"):
        page.route(path, answer)
    page.click("#schema-refresh")
    page.wait_for_selector("#schema-tree [role=treeitem]:has-text('window.hacked')")
    page.click("#schema-tree [role=treeitem] >> nth=0", position={"x": 4, "y": 12})
    page.hover("#schema-tree [aria-level='2'] >> nth=0")
    page.fill("#question", "How many customers are there in each country?")
    page.keyboard.press("Enter")
    page.wait_for_selector("#answer-foot:not([hidden])", timeout=30_000)
    page.wait_for_selector("#result-card:not([hidden]) .ag-header-cell, #sql-error:not([hidden])")
    page.click("#details-summary")
    run(page, BY_COUNTRY)
    if page.locator("[data-view=chart]:visible").count():
        page.click("[data-view=chart]")
        page.wait_for_selector("#chart canvas")
        page.mouse.move(*[page.locator("#chart").bounding_box()[key] + 150 for key in ("x", "y")])
    page.click("#good")
    page.click("#history-open")
    page.wait_for_selector("#history-list button")
    for payload in ("window.hacked", "onerror"):
        assert payload in page.inner_text("#history-list")
    shoot(page, "xss")
    assert page.locator(MADE_OF_HTML).count() == 0
    page.click("#history-list button >> nth=0")
    page.click("#link")
    page.goto(page.evaluate("navigator.clipboard.readText()"))
    page.wait_for_selector("body[data-ready]")
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None
    assert page.locator(MADE_OF_HTML).count() == 0


def test_the_schema_is_searched_and_inserted_by_keyboard(open_page):
    page = open_page()
    page.fill("#schema-search", "salary")
    assert page.locator("#schema-tree [role=treeitem]:visible").count() == 2
    write(page, "SELECT max(")
    page.focus("#schema-search")
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert editor_text(page).startswith("SELECT max(salary")
    page.select_option("#database", "hostile")
    page.fill("#schema-search", "order")
    page.wait_for_selector("#schema-tree [aria-level='2']:has-text('order')")
    page.click("#schema-tree [aria-level='2'] .name")
    assert '"order"' in editor_text(page)
    page.fill("#schema-search", "nothing at all")
    assert page.inner_text("#schema-empty") == "Nothing fits."
    page.click("#schema-refresh")
    page.wait_for_selector("#status:has-text('The schema is the same as before.')", state="attached")


def test_without_a_database_the_reader_brings_the_schema(open_page, engine, review):
    from sqlfocus.web.app import create_app
    from sqlfocus.web.service import Service

    server = Server(create_app(Service(*engine, max_new_tokens=32), review_file=review))
    page = open_page(url=server.url)
    page.fill("#question", "How many towns are there?")
    page.keyboard.press("Enter")
    assert "CREATE TABLE" in page.inner_text("#sql-error")
    page.fill("#schema-text", "CREATE TABLE towns (id INTEGER PRIMARY KEY, name TEXT)")
    page.click("#ask")
    page.wait_for_selector("#answer-foot:not([hidden])", timeout=30_000)
    assert editor_text(page).startswith("SELECT") and not page.locator("#run").is_visible()
    shoot(page, "given")
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert "towns" in page.input_value("#schema-text") and not page.locator("#given-schema[open]").count()
    server.stop()


def test_a_service_with_keys_asks_for_one(open_page, service, review, tmp_path):
    from sqlfocus.web.app import create_app
    from sqlfocus.web.keys import Keys, add_key

    key = add_key(tmp_path / "keys.txt", "ann", None)
    server = Server(create_app(service, review_file=review, keys=Keys(tmp_path / "keys.txt")))
    try:
        page = open_page(url=server.url)
        page.wait_for_selector("#key[open]")
        assert (
            "asks for a key" in page.inner_text("#key-help") and page.get_attribute("#key-text", "type") == "password"
        )
        assert axe(page) == []
        shoot(page, "key")
        for wrong in ("sqlfocus-wrong", "钥匙"):
            page.fill("#key-text", wrong)
            page.keyboard.press("Enter")
            page.wait_for_selector("#key-help:has-text('That is no key of this service.')")
        page.fill("#key-text", key)
        page.keyboard.press("Enter")
        page.wait_for_selector("#key", state="hidden")
        page.wait_for_selector("#schema-tree [role=treeitem]")
        run(page, "SELECT 7 AS seven")
        # It is there after a reload, in this tab alone, and nowhere that stays.
        page.reload()
        page.wait_for_selector("#schema-tree [role=treeitem]")
        assert key not in page.evaluate("JSON.stringify({...localStorage}) + document.cookie + location.href")
        other = page.context.new_page()
        other.goto(server.url)
        other.wait_for_selector("#key[open]")
    finally:
        server.stop()
