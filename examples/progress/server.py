"""Starts jobs for pages, and gives a page a token for one job."""
import os
import re
import secrets
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent / folder) for folder in ("pages", "publish")]
from jobs import GATEWAY, Jobs, ask  # noqa: E402
from serve import Refusal, serve  # noqa: E402

jobs = Jobs()


def known(form):
    """Refuses what cannot be an id. In your application: also what is not a job of this user."""
    if not re.fullmatch(r"[\w-]{22}", str(form.get("id"))):
        raise Refusal(404, "There is no such job.")
    return form["id"]


def start(form, _):
    limit = form.get("limit")
    if type(limit) is not int or not 1000 <= limit <= 5_000_000:
        raise Refusal(400, "Take a limit from 1,000 to 5,000,000.")
    job = secrets.token_urlsafe(16)
    if not jobs.start(job, limit):
        raise Refusal(429, "Too many jobs are waiting. Try again in a minute.")
    return {"id": job}


def cancel(form, _):
    jobs.cancel(known(form))


def token(form, _):
    job = known(form)
    minted = ask("POST", "/realtime/token", {"sub": [f"*:job-{job}"], "ttl": "10m"})
    return {"gateway": GATEWAY, "token": minted["token"]}


jobs.resume()
serve(Path(__file__).parent, {"POST /start": start, "POST /cancel": cancel, "GET /token": token})
