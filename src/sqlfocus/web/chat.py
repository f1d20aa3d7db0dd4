"""``/v1``: the model as OpenAI's chat completions have it, for clients that speak to vLLM, Ollama and the like.

What is asked here is the model itself: no schema is added, and what it writes is neither held to one nor run.
"""

from __future__ import annotations

import json
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Literal

from flask import Response
from pydantic import BaseModel, ConfigDict, Field

from sqlfocus.corpus.prompt import Prompt
from sqlfocus.inference.engine import Completion
from sqlfocus.schema.mschema import SCHEMA
from sqlfocus.web.operations import Operations
from sqlfocus.web.problems import ProblemError
from sqlfocus.web.service import Service, model_errors

MOST_TOKENS = 4096
DEFAULT_TOKENS = 512


class _Open(BaseModel):
    """Fields that are not known are let be: each client sends some of its own. ``false`` is no number, nor ``"1"``."""

    model_config = ConfigDict(extra="ignore", strict=True)


class TextPart(_Open):
    """A part of a message."""

    type: Literal["text"]
    text: str = Field(max_length=1_000_000)


class ChatMessage(_Open):
    """A message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart] = Field(description="Text; images and the like are not read.")

    def text(self) -> str:
        """All of its text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class StreamOptions(_Open):
    """How to stream."""

    include_usage: bool = False


class ChatRequest(_Open):
    """A conversation that the model is to go on with."""

    model: str | None = Field(None, description="The model's name, or nothing: there is one.")
    messages: list[ChatMessage] = Field(min_length=1, max_length=200)
    max_tokens: int | None = Field(None, ge=1, le=MOST_TOKENS)
    max_completion_tokens: int | None = Field(None, ge=1, le=MOST_TOKENS)
    temperature: float | None = Field(None, ge=0, le=2, description="0, the default, takes the likeliest token.")
    seed: int | None = Field(None, ge=0, le=2**63 - 1)
    stop: str | list[str] | None = Field(None, description="Where to end the text.")
    n: Literal[1] | None = Field(None, description="One answer.")
    stream: bool = False
    stream_options: StreamOptions | None = None


class ChatUsage(BaseModel):
    """What an answer cost, in tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int]


class ChatReply(BaseModel):
    """The assistant's message."""

    role: Literal["assistant"]
    content: str


class ChatChoice(BaseModel):
    """An answer."""

    index: int
    message: ChatReply
    finish_reason: Literal["stop", "length"]
    logprobs: None = None


class ChatAnswer(BaseModel):
    """The model's answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: ChatUsage


class ModelCard(BaseModel):
    """A model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(BaseModel):
    """The models: one."""

    object: Literal["list"]
    data: list[ModelCard]


def add_chat(operations: Operations, service: Service) -> None:
    """Add OpenAI's operations to the API's."""
    started = int(time.time())

    @operations.add("GET", "/v1/models", "The model, as OpenAI lists models.", answer=ModelList)
    def models() -> ModelList:
        card = ModelCard(id=service.model, object="model", created=started, owned_by="sqlfocus")
        return ModelList(object="list", data=[card])

    @operations.add(
        *("POST", "/v1/chat/completions", "The model itself, as OpenAI's chat completions; may be streamed."),
        body=ChatRequest,
        answer=ChatAnswer,
        media_types=("application/json", "text/event-stream"),
        problems=("no-model", "prompt-too-long", "queue-full", "model-unavailable"),
    )
    def chat(body: ChatRequest) -> ChatAnswer | Response:
        if body.model not in (None, "", service.model):
            raise ProblemError("no-model", f"there is no model {body.model}; there is {service.model}")
        prompt = prompt_of(body.messages)
        name = f"chatcmpl-{uuid.uuid4().hex}"
        if body.stream:
            return _streamed(service, body, prompt, name)
        with service.gate.place():
            completion = _complete(service, body, prompt, threading.Event())
        text, stopped = _cut(completion.text, body.stop)
        reason: Literal["stop", "length"] = "stop" if completion.finished or stopped else "length"
        return ChatAnswer(
            id=name,
            object="chat.completion",
            created=int(time.time()),
            model=service.model,
            choices=[ChatChoice(index=0, message=ChatReply(role="assistant", content=text), finish_reason=reason)],
            usage=_usage(completion),
        )


def prompt_of(messages: list[ChatMessage]) -> Prompt:
    """The prompt that a conversation is: system messages first, then user and assistant in turn, the user last.

    A schema in M-Schema's form, up to the last blank line of the first message, is taken for shared by others.

    Raises:
        ProblemError: the messages come in another order.
    """
    system = [one.text() for one in messages if one.role in ("system", "developer")]
    said = [one for one in messages if one.role in ("user", "assistant")]
    in_turn = all(one.role == ("assistant" if place % 2 else "user") for place, one in enumerate(said))
    if not said or not in_turn or said[-1].role != "user":
        raise ProblemError("invalid", "/messages: user and assistant have to take turns, the user first and last")
    user = said[0].text()
    shared = max(user.rfind("\n\n"), 0) if SCHEMA in user else 0
    return Prompt("\n".join(system) if system else None, user, shared, tuple(one.text() for one in said[1:]))


def _complete(
    service: Service,
    body: ChatRequest,
    prompt: Prompt,
    stop: threading.Event,
    tell: Callable[[str], None] | None = None,
) -> Completion:
    """The answer; ``tell`` is called with the text so far. It ends where ``stop`` is set, or a word ends it."""

    def written(_place: int, text: str) -> None:
        if _cut(text, body.stop)[1]:
            stop.set()
        if tell is not None:
            tell(text)

    with model_errors():
        return service.engine.complete(
            [prompt],
            max_new_tokens=body.max_completion_tokens or body.max_tokens or DEFAULT_TOKENS,
            temperatures=[body.temperature or 0.0],
            seed=body.seed or 0,
            on_text=written,
            stop=stop,
        )[0]


def _cut(text: str, stop: str | list[str] | None) -> tuple[str, bool]:
    """The text up to the first of the words that are to end it, and whether one did."""
    words = [stop] if isinstance(stop, str) else stop or []
    ends = [text.find(word) for word in words if word and word in text]
    return (text[: min(ends)], True) if ends else (text, False)


def _usage(completion: Completion) -> ChatUsage:
    return ChatUsage(
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.tokens,
        total_tokens=completion.prompt_tokens + completion.tokens,
        prompt_tokens_details={"cached_tokens": completion.cached_tokens},
    )


def _streamed(service: Service, body: ChatRequest, prompt: Prompt, name: str) -> Response:
    """The answer as server-sent events, while it is written; it ends when nobody reads them any more.

    Raises:
        Full: there is no place; it is had before the response begins.
    """
    place = service.gate.place()
    place.__enter__()
    texts: queue.SimpleQueue[str | Completion | ProblemError] = queue.SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        try:
            texts.put(_complete(service, body, prompt, stop, texts.put))
        except ProblemError as error:
            texts.put(error)
        except Exception:
            texts.put(ProblemError("internal", "an error that nobody foresaw"))
            raise
        finally:
            place.__exit__(None, None, None)

    threading.Thread(target=work, daemon=True).start()
    events = _until_left(_events(service, body, name, texts), stop)
    return Response(events, mimetype="text/event-stream", headers={"Cache-Control": "no-store"})


def _until_left(events: Iterator[str], stop: threading.Event) -> Iterator[str]:
    try:
        yield from events
    finally:
        stop.set()


def _events(
    service: Service, body: ChatRequest, name: str, texts: queue.SimpleQueue[str | Completion | ProblemError]
) -> Iterator[str]:
    head = {"id": name, "object": "chat.completion.chunk", "created": int(time.time()), "model": service.model}

    def event(delta: dict[str, str], reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return _event({**head, "choices": [choice]})

    yield event({"role": "assistant", "content": ""})
    sent = ""
    while True:
        item = texts.get()
        if isinstance(item, ProblemError):
            yield _event({"error": {"message": item.detail, "type": item.kind}})
            return
        completed = isinstance(item, Completion)
        text, stopped = _cut(item.text if isinstance(item, Completion) else item, body.stop)
        # Half a character, or what may be the beginning of a word that ends the text, waits for the rest.
        ready = text if completed or stopped else text[: len(text) - _uncertain(text, body.stop)]
        if len(ready) > len(sent):
            yield event({"content": ready[len(sent) :]})
            sent = ready
        if isinstance(item, Completion):
            yield event({}, "stop" if item.finished or stopped else "length")
            if body.stream_options and body.stream_options.include_usage:
                yield _event({**head, "choices": [], "usage": _usage(item).model_dump()})
            yield "data: [DONE]\n\n"
            return


def _uncertain(text: str, stop: str | list[str] | None) -> int:
    """How many characters at the end may yet change or be cut off."""
    words = [stop] if isinstance(stop, str) else stop or []
    longest = max((len(word) - 1 for word in words), default=0)
    broken = len(text) - len(text.rstrip("\N{REPLACEMENT CHARACTER}"))
    return min(len(text), max(longest, broken))


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
