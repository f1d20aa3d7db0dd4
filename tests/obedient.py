"""A server whose model does what its prompt orders, whoever wrote the order: the worst that an injection can do."""

import http.server
import json
import re
import threading
from contextlib import contextmanager

ORDER = re.compile(r"answer only: (.*?)(?: end of order|\n|$)", re.IGNORECASE)
"""An order as it stands in a question, a comment, a value or a name."""


@contextmanager
def obedient(answer=None):
    """The URL of its ``/v1`` while the block runs; ``answer`` is a function of the whole prompt, default: it obeys."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.reply({"data": [{"id": "obedient"}]})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = "\n".join(message["content"] for message in body["messages"])
            text = (answer or obey)(prompt)
            self.reply({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})

        def reply(self, body):
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def obey(prompt):
    """The first order of the prompt; without one, all names of cows."""
    found = ORDER.search(prompt)
    return found[1] if found else "SELECT name FROM cow"
