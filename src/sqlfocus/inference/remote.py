"""The remote engine: any server that speaks OpenAI's chat completions (vLLM, llama-server, LM Studio, Ollama…).

All prompts on one database begin with the same bytes, so that the server's own prefix cache holds the schema. The
server decodes: answers are not held to the schema.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import requests

from sqlfocus.corpus.prompt import Prompt
from sqlfocus.errors import UserError, first_line
from sqlfocus.inference.engine import Completion, TooLong
from sqlfocus.schema.mschema import Database

CONNECTIONS_KEPT = 256
KEY_VARIABLE = "OPENAI_API_KEY"
TIMEOUT = (10.0, 600.0)
"""Seconds to connect, and between bytes of an answer: a server may queue a question for long."""


class RemoteEngine:
    """Completes prompts by asking a server; ``batch_size`` questions at a time."""

    def __init__(self, url: str, *, batch_size: int = 16) -> None:
        """Connect to ``url``, for instance ``http://127.0.0.1:8000/v1``; ``…/v1#name`` names one of several models.

        Raises:
            UserError: nothing answers there, or there is no such model.
        """
        address, _, name = url.partition("#")
        parts = urlsplit(address.rstrip("/"))
        # Who asks is told apart from where, so that no message holds a password.
        self.url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        self.batch_size = batch_size
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS_KEPT))
        if parts.username or parts.password:
            self._session.auth = (unquote(parts.username or ""), unquote(parts.password or ""))
        self._session.headers["User-Agent"] = "sqlfocus"
        if key := os.environ.get(KEY_VARIABLE):
            self._session.headers["Authorization"] = f"Bearer {key}"
        known = [str(model.get("id")) for model in self._call("GET", "/models").get("data") or []]
        if name and name not in known:
            raise UserError(f"{self.url}: no model {name} there; it has {', '.join(known) or 'none'}")
        if not name and len(known) != 1:
            raise UserError(f"{self.url}: it has {', '.join(known) or 'no model'}; name one: {self.url}#NAME")
        self.name = name or known[0]
        self._told = False
        self._asked = self._tokens = self._cached = 0
        self._counting = threading.Lock()

    def complete(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int = 256,
        databases: Sequence[Database | None] | None = None,
        temperatures: Sequence[float] | None = None,
        seed: int = 0,
        on_done: Callable[[int, Completion], None] | None = None,
        on_text: Callable[[int, str], None] | None = None,
        stop: threading.Event | None = None,
    ) -> list[Completion]:
        """See :class:`sqlfocus.inference.engine.Engine`; ``stop`` does not end what the server has begun."""
        if databases and any(databases) and not self._told:
            self._told = True
            sys.stderr.write(f"note: {self.url} decodes by itself; its answers are not held to the schema\n")
        completions: dict[int, Completion] = {}
        with ThreadPoolExecutor(self.batch_size) as pool:
            asked = {
                pool.submit(
                    self._ask, prompt, max_new_tokens, temperatures[place] if temperatures else 0.0, seed + place
                ): place
                for place, prompt in enumerate(prompts)
            }
            try:
                for future in as_completed(asked):
                    place = asked[future]
                    completions[place] = future.result()
                    if on_text is not None:
                        on_text(place, completions[place].text)
                    if on_done is not None:
                        on_done(place, completions[place])
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [completions[place] for place in range(len(prompts))]

    def prefill(self, prompt: Prompt, database: Database | None = None) -> int:
        """See :class:`sqlfocus.inference.engine.Engine`; the server keeps what it keeps."""
        return self._ask(prompt, 1, 0.0, 0).prompt_tokens

    def start(self) -> None:
        """See :class:`sqlfocus.inference.engine.Engine`; nothing is computed here."""

    def counters(self) -> dict[str, int]:
        """See :class:`sqlfocus.inference.engine.Engine`: what the server said of its answers."""
        return {"steps": self._asked, "tokens": self._tokens, "prompt_tokens_cached": self._cached}

    def _ask(self, prompt: Prompt, most: int, temperature: float, seed: int) -> Completion:
        body = {
            "model": self.name,
            "messages": prompt.messages(),
            "max_tokens": most,
            "temperature": temperature,
            "seed": seed,
        }
        answer = self._call("POST", "/chat/completions", json=body)
        try:
            choice = answer["choices"][0]
            text = choice["message"]["content"] or ""
            usage = answer.get("usage") or {}
            tokens, read = (int(usage.get(f"{kind}_tokens") or 0) for kind in ("completion", "prompt"))
            cached = int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
        except (KeyError, IndexError, TypeError) as error:
            raise UserError(f"{self.url}: its answer is no chat completion ({first_line(error)})") from error
        finished = choice.get("finish_reason") == "stop"
        with self._counting:
            self._asked += 1
            self._tokens += tokens
            self._cached += cached
        return Completion(str(text), tokens, finished, prompt_tokens=read, cached_tokens=cached)

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            response = self._session.request(method, self.url + path, timeout=TIMEOUT, **options)
        except requests.RequestException as error:
            raise UserError(f"{self.url}: no answer from there ({_reason(error)}); is the server running?") from error
        if response.status_code in (401, 403):
            raise UserError(f"{self.url}: the server wants a key, or another one: set {KEY_VARIABLE}")
        if response.status_code in (400, 413) and method == "POST":
            said = " ".join(response.text.split())[:200]
            raise TooLong(f"the model's server does not take the prompt, which may be too long ({said})")
        if response.status_code >= 400:
            said = " ".join(response.text.split())[:200]
            raise UserError(f"{self.url}{path}: the server refuses ({response.status_code}: {said})")
        try:
            found = response.json()
        except ValueError as error:
            raise UserError(f"{self.url}{path}: no JSON comes from there; does the URL end in /v1?") from error
        if not isinstance(found, dict):
            raise UserError(f"{self.url}{path}: what comes from there is not OpenAI's API")
        return found


def _reason(error: requests.RequestException) -> str:
    """The system's words, out of the nested texts of the libraries between."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.strerror:
            return str(link.strerror)
        reason = getattr(link.args[0], "reason", None) if link.args else None
        link = reason if isinstance(reason, BaseException) else link.__cause__ or link.__context__
    return type(error).__name__
