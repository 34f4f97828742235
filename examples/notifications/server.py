"""Users who sign in, and notifications for them. The gateway has no list of these users: their tokens say who they are."""
import base64
import hashlib
import hmac
import json
import os
import secrets
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent / folder) for folder in ("pages", "publish")]
from publish import publish  # noqa: E402
from serve import Refusal, serve  # noqa: E402

GATEWAY = os.environ.get("GATEWAY", "http://127.0.0.1:8080")
JWT_SECRET = os.environ["JWT_SECRET"].encode()  # the gateway has the same
USERS = {"ann": "ann", "bob": "bob"}  # name: password, for the example
sessions = {}  # names by the value of the cookie


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(name):
    """A JWT for ten minutes: read the own inbox, and say in an own channel what is read."""
    grant = {"sub": [f"inbox-{name}", f"read-{name}"], "pub": [f"read-{name}"]}
    claims = {"sub": name, "iat": int(time.time()), "exp": int(time.time()) + 600, "realtime": grant}
    text = base64url(b'{"alg":"HS256","typ":"JWT"}') + "." + base64url(json.dumps(claims).encode())
    return text + "." + base64url(hmac.digest(JWT_SECRET, text.encode(), hashlib.sha256))


def user(request):
    cookie = request.cookies.get("session")
    name = sessions.get(cookie.value) if cookie else None
    if name is None:
        raise Refusal(401, "Please sign in.")
    return name


def cookie(request, value, age):
    request.more["Set-Cookie"] = f"session={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}"


def login(form, request):
    name, password = str(form.get("name")), str(form.get("password"))
    if not secrets.compare_digest(USERS.get(name, "").encode(), password.encode()) or name not in USERS:
        raise Refusal(401, "The name or the password is wrong.")
    session = secrets.token_urlsafe(16)
    if len(sessions) >= 10_000:
        sessions.pop(next(iter(sessions)))  # the oldest
    sessions[session] = name
    cookie(request, session, 86_400)


def logout(_, request):
    if "session" in request.cookies:
        sessions.pop(request.cookies["session"].value, None)
    cookie(request, "", 0)


def notify(form, request):
    """Publishes a notification. In your application this happens where an order is sent, a comment is written, a job fails."""
    sender, text = user(request), form.get("text")
    if not isinstance(text, str) or not 0 < len(text.strip()) <= 500:
        raise Refusal(400, "A notification has 1 to 500 characters.")
    to = [form.get("to")] if form.get("to") != "everybody" else list(USERS)
    if not all(name in USERS for name in to):
        raise Refusal(400, "There is no such user.")
    data = {"from": sender, "text": text.strip(), "at": int(time.time() * 1000)}
    publish([{"event": f"inbox-{name}", "data": data} for name in to])


def session(_, request):
    name = user(request)
    return {"name": name, "gateway": GATEWAY, "token": token(name)}


serve(Path(__file__).parent, {"POST /login": login, "POST /logout": logout, "POST /notify": notify, "GET /session": session})
