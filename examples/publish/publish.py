"""Publishes events, each of them once: what got no answer is sent again with the same Idempotency-Key."""
import http.client
import json
import os
import random
import sys
import time
import uuid
from urllib.parse import urlsplit

GATEWAY = os.environ.get("GATEWAY", "http://127.0.0.1:8080")
KEY = os.environ.get("KEY", "")
PATIENCE = float(os.environ.get("PATIENCE", "60"))  # seconds: less than the two minutes for which the gateway remembers the key


class NotPublished(Exception):
    """Has the gateway's status, code and message. Without an answer the status is 0."""

    def __init__(self, status, code, message):
        super().__init__(" ".join(str(part) for part in (status, code, message) if part))
        self.status, self.code = status, code


def publish(events):
    """Stores one event (a dict), or all events of a list, and returns the gateway's answer: {"id": …} or {"ids": …}."""
    body = json.dumps(events).encode()
    headers = {"x-apikey": KEY, "Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    end, pause = time.monotonic() + PATIENCE, 0.5
    while True:
        status, answer, wait = send(body, headers)
        if status == 200:
            return answer
        passes = status in (0, 408, 429) or status >= 500
        # The random part keeps many publishers from coming back at the same moment.
        rest = wait or pause * random.uniform(0.5, 1)
        if not passes or time.monotonic() + rest > end:
            raise NotPublished(status, answer.get("code"), answer.get("message"))
        time.sleep(rest)
        pause = min(2 * pause, 10)


def send(body, headers):
    url = urlsplit(GATEWAY)
    connect = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = connect(url.netloc, timeout=10)
    try:
        connection.request("POST", url.path.rstrip("/") + "/realtime", body, headers)
        r = connection.getresponse()
        status, wait, text = r.status, r.getheader("Retry-After", ""), r.read()
    except (OSError, http.client.HTTPException) as e:
        return 0, {"message": f"no answer from {GATEWAY}: {e}"}, 0
    finally:
        connection.close()
    try:
        return status, dict(json.loads(text)), int(wait) if wait.isdecimal() else 0
    except (ValueError, TypeError):  # an answer of a proxy or of another server
        return status if status != 200 else 502, {"message": f"this is no answer of the gateway: {text[:100].decode(errors='replace')}"}, 0


if __name__ == "__main__":
    try:
        event = json.loads("".join(sys.argv[1:]))
    except ValueError:
        sys.exit("""give an event, or several, as JSON: '{"event":"news","data":"hello"}'""")
    try:
        answer = publish(event)
    except NotPublished as e:
        sys.exit(f"not published: {e}")
    print(*answer.get("ids") or [answer["id"]], sep="\n")
