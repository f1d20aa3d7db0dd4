"""Chat templates, rendered without transformers and compared with it."""

import subprocess
import sys
from datetime import datetime

import pytest

from served_models import AWKWARD, CHATML, HEADERS, THINKING, conversations
from sqlfocus.corpus.prompt import Prompt
from sqlfocus.errors import UserError
from sqlfocus.models.chat_template import render

FEATURES = {
    "chatml": CHATML,
    "headers": HEADERS,
    "thinking": THINKING,
    "awkward": AWKWARD,
    "json": "{{ messages | tojson }}{{ {'<中文>': [1, none]} | tojson(indent=2) }}",
    "ascii": "{{ messages[0] | tojson(ensure_ascii=true) }}",
    "lines": "{% for one in messages %}\n    {% if one.content %}\n  {{ one.role }}\n    {% endif %}\n{% endfor %}\n\n",
    "loops": "{% for one in messages %}{% if loop.index > 2 %}{% break %}{% endif %}{{ one.role }},{% endfor %}",
    "generation": "{% for one in messages %}{% generation %}{{ one.content }}{% endgeneration %}|{% endfor %}",
    "tokens": "{{ bos_token }}{{ eos_token }}{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}",
    "names": "{% set all = namespace(n=0) %}{% for _ in messages %}{% set all.n = 1 + all.n %}{% endfor %}{{ all.n }}",
}


@pytest.fixture(scope="module")
def tokenizer():
    """A transformers tokenizer without a vocabulary, for its chat templates."""
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(BPE()), bos_token="<s>", eos_token="</s>")


@pytest.mark.parametrize("name", FEATURES)
def test_templates_render_as_transformers_renders_them(tokenizer, name):
    for messages in conversations():
        for generation in (True, False):
            wanted = tokenizer.apply_chat_template(
                messages, chat_template=FEATURES[name], tokenize=False, add_generation_prompt=generation
            )
            assert render(FEATURES[name], messages, generation=generation, bos="<s>", eos="</s>") == wanted


def test_the_time_is_the_clocks_unless_it_is_given():
    template = "{{ strftime_now('%Y-%m-%d') }}"
    assert render(template, [], now=datetime(2024, 2, 29)) == "2024-02-29"
    assert render(template, []) in (datetime.now().strftime("%Y-%m-%d"), "2024-02-29")


def test_the_messages_stay_as_they_are():
    messages = Prompt("s", "u").messages()
    with pytest.raises(UserError):
        render("{% set _ = messages[0].update({'content': 'x'}) %}{{ messages[0].content }}", messages)
    assert messages == Prompt("s", "u").messages()


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for %}", "is no Jinja template (line 1: "),
        ("{{ messages[0].content + 1 }}", "refuses these messages (can only concatenate str"),
        ("{{ raise_exception('System role not supported') }}", "refuses these messages (System role not supported)"),
        ("{{ ''.__class__.__mro__ }}", "refuses these messages"),
    ],
)
def test_what_a_template_cannot_do_is_one_line(template, said):
    with pytest.raises(UserError) as caught:
        render(template, Prompt("s", "u").messages())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_neither_torch_nor_transformers_is_imported():
    code = "import sys, sqlfocus.models.deploy; print({'torch', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "set()\n"
