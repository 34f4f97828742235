"""The small web server of the examples in Python: the files of a folder, and routes that answer with JSON."""
import json
import os
import sys
import traceback
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

SHARED = {"style.css", "call.js", "show.js"}  # are in this folder
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css"}

# For a page, if the gateway answers 401 or 403 to this server. The usual cause, while one tries out several examples, is a
# gateway that still runs.
REFUSED = "The gateway refuses the key of this server. Is it the gateway of another example? Stop that one, and start the one of this example's README."


class Refusal(Exception):
    """An error that the page may see."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    timeout = 20  # a client that sends nothing for so long is gone

    def do_GET(self):
        self.answer(lambda url: dict(parse_qsl(url.query)))

    def do_POST(self):
        self.answer(lambda url: self.body())

    def answer(self, read):
        url = urlsplit(self.path)
        route = self.server.routes.get(f"{self.command} {url.path}")
        self.more = {}
        try:
            self.cookies = SimpleCookie(self.headers.get("Cookie", ""))
            if route is None:
                return self.file(url.path)
            self.send(200, "application/json", json.dumps(route(read(url), self) or {}).encode())
        except Refusal as e:
            self.send(e.status, "application/json", json.dumps({"message": str(e)}).encode())
        except Exception as e:
            traceback.print_exc()
            message = REFUSED if getattr(e, "status", 0) in (401, 403) else "this did not work; the log of the server has the reason"
            self.send(502, "application/json", json.dumps({"message": message}).encode())

    def file(self, path):
        name = Path(path).name or "index.html"
        folder = Path(__file__).parent if name in SHARED else self.server.folder
        kind, file = TYPES.get(Path(name).suffix), folder / name
        if self.command != "GET" or kind is None or not file.is_file():
            raise Refusal(404, "there is nothing here")
        self.send(200, kind, file.read_bytes())

    def body(self):
        # A page of another site cannot send this type without asking first, so it cannot act for a visitor.
        if not self.headers.get("Content-Type", "").startswith("application/json"):
            raise Refusal(415, "send application/json")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > 100_000:
            raise Refusal(413, "this is too long")
        try:
            return dict(json.loads(self.rfile.read(int(length))))
        except (ValueError, TypeError):
            raise Refusal(400, "send a JSON object") from None

    def send(self, status, kind, content):
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": len(content), "Cache-Control": "no-store", **self.more}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def serve(folder, routes):
    """Listens until the process ends. A route is a function of the request's JSON and of the request, and returns the answer's JSON."""
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Handler)
    server.folder, server.routes, server.daemon_threads = Path(folder), routes, True
    print(f"http://127.0.0.1:{server.server_port}")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        os._exit(130)  # without waiting for the work of other threads
