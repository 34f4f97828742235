"""Jobs whose progress is a stream of the gateway. This server stores nothing: how far a job is can be read in the log."""
import json
import os
import threading
import time
import traceback
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from primes import count
from publish import NotPublished, publish

GATEWAY = os.environ.get("GATEWAY", "http://127.0.0.1:8080")
KEY = os.environ.get("KEY", "")
ENDS = {"result", "failed", "cancelled"}


def ask(method, path, body=None, accept="application/json"):
    headers = {"x-apikey": KEY, "Content-Type": "application/json", "Accept": accept}
    request = urllib.request.Request(GATEWAY + path, body and json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        lines = [json.loads(line) for line in answer.read().splitlines() if line.strip()]
    return lines if "ndjson" in accept else lines[0]


def events(query):
    return [e for e in ask("GET", f"/realtime?until=caught-up&channels=*:job-*&{query}", accept="application/x-ndjson") if "id" in e]


def append(job, event, data=None, expect=None):
    """Adds an entry to the stream of a job, and returns its id. With expect, only if that is the last one."""
    stream = f"job-{job}"
    entry = {"event": event, "collection": stream, "stream": stream, "data": data}
    if expect is not None:
        entry["expect"] = expect
    return publish(entry)["id"]


class Jobs:
    def __init__(self, workers=2, waiting=100):
        self.pool, self.free = ThreadPoolExecutor(workers), threading.BoundedSemaphore(waiting)

    def start(self, job, limit):
        """Takes a job, or returns False if too many wait."""
        if not self.free.acquire(blocking=False):
            return False
        try:
            last = append(job, "accepted", {"limit": limit}, expect=0)
        except BaseException:
            self.free.release()
            raise
        self.pool.submit(self.run, job, last, {"limit": limit})
        return True

    def cancel(self, job):
        """Stops a job, in whatever process it runs: its next entry expects another last one."""
        last = events(f"stream=job-{job}&from=-1")
        if last and last[0]["event"] not in ENDS:
            append(job, "cancelled")

    def resume(self):
        """Goes on with the jobs that an earlier process left without an end."""
        left = {}
        for e in events("types=accepted,result,failed,cancelled"):
            if e["event"] == "accepted":
                left[e["stream"]] = e["data"]["limit"]
            else:
                left.pop(e["stream"], None)
        for stream, limit in left.items():
            last = events(f"stream={stream}&from=-1")[0]
            self.free.acquire()
            self.pool.submit(self.run, stream.removeprefix("job-"), last["id"], {**last["data"], "limit": limit})

    def run(self, job, last, state):
        try:
            reported = time.monotonic()
            for state in count(**state):
                # Five reports a second are enough for a bar, however fast the work is.
                if time.monotonic() - reported >= 0.2:
                    last = append(job, "progress", state, last)
                    reported = time.monotonic()
            append(job, "result", {"found": state["found"], "largest": state["largest"], "limit": state["limit"]}, last)
        except NotPublished as e:
            if e.code != "expect_failed":  # cancelled, or another process goes on with it
                print(f"job {job}: {e}", flush=True)
        except Exception:
            traceback.print_exc()
            append(job, "failed", "The job failed; the log of the server has the reason.", last)
        finally:
            self.free.release()
