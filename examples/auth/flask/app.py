"""A Flask application that tells the gateway who may see live events. README.md shows how to run it."""
import hashlib
import hmac
import json
import os
import re
import secrets
import time
import urllib.request
from pathlib import Path

from flask import Flask, redirect, request, session
from markupsafe import Markup, escape

GATEWAY = os.environ.get("GATEWAY", "http://127.0.0.1:8080")
REALTIME = os.environ.get("REALTIME", GATEWAY + "/realtime")  # its address for pages
AUTH_SECRET = os.environ["AUTH_SECRET"].encode()
ADMIN_KEY = os.environ["ADMIN_KEY"]
PAGES = Path(__file__).parent.parent / "pages"

# Your application has users and hashed passwords already. These stand for them.
USERS = {
    "ann": {"id": "42", "name": "Ann", "password": "ann", "live": True},
    "bob": {"id": "43", "name": "Bob", "password": "bob", "live": False},
}

app = Flask(__name__)
app.secret_key = secrets.token_bytes(32)
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"  # no form of another site is sent with it

# Flask's session is a signed cookie: whoever kept a copy could use it after the logout. So the cookie holds only an id, and
# the session is here, where a logout removes it. A real application has a table for them.
SESSIONS = {}


def current():
    return SESSIONS.get(session.get("id"))


def page(file, **values):
    text = (PAGES / f"{file}.html").read_text()
    for key, value in {"csrf": "", "message": "", "realtime": Markup(REALTIME), **values}.items():
        text = text.replace("{{%s}}" % key, escape(value))
    return text, {"Cache-Control": "no-store"}


@app.get("/")
def index():
    user = current()
    return page("live", name=user["name"]) if user else page("login")


@app.post("/login")
def login():
    user = USERS.get(request.form.get("name", ""))
    password = request.form.get("password", "")
    if not user or not hmac.compare_digest(user["password"].encode(), password.encode()):
        return page("login", message="The name or the password is wrong.")[0], 401
    SESSIONS.pop(session.get("id"), None)
    session["id"] = secrets.token_urlsafe()
    SESSIONS[session["id"]] = user
    return redirect("/", 303)


@app.post("/logout")
def logout():
    user = SESSIONS.pop(session.pop("id", None), None)
    if user:
        end_streams(user["id"])  # after the session's end: the page connects again, and must be refused
    return redirect("/", 303)


@app.get("/realtime-auth")
def realtime_auth():
    if not from_gateway():
        return {"message": "AUTH_SECRET is not the gateway's"}, 400
    user = current()
    if not user:
        return {"message": "log in first"}, 401  # not a redirect to the login page
    if not user["live"]:
        return {"message": "your account has no live events"}, 403
    return {"subject": user["id"], "name": user["name"], "sub": [f"inbox-{user['id']}", "news"], "pub": [], "rest": [], "ttl": "5m"}


def from_gateway():
    """Reports whether the gateway asks: only it and we know AUTH_SECRET."""
    h = request.headers
    signature = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", h.get("Sluice-Signature", ""))
    if not signature:
        return False
    text = "\n".join([signature[1], h["X-Forwarded-Method"], h["X-Forwarded-Uri"], h["X-Forwarded-For"]])
    right = hmac.new(AUTH_SECRET, text.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature[2], right) and abs(time.time() - int(signature[1])) < 300


def end_streams(subject):
    """Ends the user's streams now. Without it they would end when the gateway asks again, within the ttl."""
    body = json.dumps({"subject": subject}).encode()
    headers = {"x-apikey": ADMIN_KEY, "Content-Type": "application/json"}
    try:
        urllib.request.urlopen(urllib.request.Request(GATEWAY + "/admin/revocations", body, headers), timeout=5).close()
    except OSError as e:
        app.logger.warning("the streams of %s were not ended: %s", subject, e)


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ.get("PORT", "8000")))
