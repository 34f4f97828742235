"""A Django application that tells the gateway who may see live events. README.md shows how to run it.

It is one file, so that it can be read in one go. In a project of your own, the settings are in settings.py, and the views
from realtime_auth on are what you add.
"""
import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
import time
import urllib.request
from pathlib import Path

import django
from django.conf import settings

GATEWAY = os.environ.get("GATEWAY", "http://127.0.0.1:8080")
REALTIME = os.environ.get("REALTIME", GATEWAY + "/realtime")  # its address for pages
AUTH_SECRET = os.environ["AUTH_SECRET"].encode()
ADMIN_KEY = os.environ["ADMIN_KEY"]
PAGES = Path(__file__).parent.parent / "pages"
FOLDER = tempfile.TemporaryDirectory()  # of the database

settings.configure(
    SECRET_KEY=secrets.token_hex(32),
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],  # the host of AUTH_URL must be among them
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{FOLDER.name}/db.sqlite3"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.contrib import auth  # noqa: E402: it needs the settings
from django.contrib.auth.models import Group, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.middleware.csrf import get_token  # noqa: E402
from django.shortcuts import redirect  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils.html import escape  # noqa: E402
from django.views.decorators.cache import never_cache  # noqa: E402
from django.views.decorators.http import require_GET, require_POST  # noqa: E402


def page(request, file, status=200, **values):
    text = (PAGES / f"{file}.html").read_text().replace("{{realtime}}", REALTIME)
    text = text.replace("{{csrf}}", f'<input type="hidden" name="csrfmiddlewaretoken" value="{get_token(request)}">')
    for key, value in {"message": "", **values}.items():
        text = text.replace("{{%s}}" % key, escape(value))
    return HttpResponse(text, status=status)


@never_cache
@require_GET
def index(request):
    user = request.user
    return page(request, "live", name=user.first_name) if user.is_authenticated else page(request, "login")


@require_POST
def login(request):
    user = auth.authenticate(request, username=request.POST.get("name"), password=request.POST.get("password"))
    if user is None:
        return page(request, "login", status=401, message="The name or the password is wrong.")
    auth.login(request, user)
    return redirect("/")


@require_POST
def logout(request):
    user = request.user
    subject = str(user.pk) if user.is_authenticated else None
    auth.logout(request)
    if subject:
        # After the session's end: the page connects again, and must be refused. The signal user_logged_out comes before it.
        end_streams(subject)
    return redirect("/")


@require_GET
def realtime_auth(request):
    if not from_gateway(request.headers):
        return JsonResponse({"message": "AUTH_SECRET is not the gateway's"}, status=400)
    user = request.user
    if not user.is_authenticated:  # not @login_required, which redirects to the login page
        return JsonResponse({"message": "log in first"}, status=401)
    if not user.groups.filter(name="live").exists():
        return JsonResponse({"message": "your account has no live events"}, status=403)
    return JsonResponse({
        "subject": str(user.pk), "name": user.first_name, "sub": [f"inbox-{user.pk}", "news"], "pub": [], "rest": [], "ttl": "5m",
    })


def from_gateway(headers):
    """Reports whether the gateway asks: only it and we know AUTH_SECRET."""
    signature = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers.get("Sluice-Signature", ""))
    if not signature:
        return False
    text = "\n".join([signature[1]] + [headers.get(f"X-Forwarded-{name}", "") for name in ("Method", "Uri", "For")])
    right = hmac.new(AUTH_SECRET, text.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature[2], right) and abs(time.time() - int(signature[1])) < 300


def end_streams(subject):
    """Ends the user's streams now. Without it they would end when the gateway asks again, within the ttl."""
    body = json.dumps({"subject": subject}).encode()
    headers = {"x-apikey": ADMIN_KEY, "Content-Type": "application/json"}
    try:
        urllib.request.urlopen(urllib.request.Request(GATEWAY + "/admin/revocations", body, headers), timeout=5).close()
    except OSError as e:
        print(f"the streams of {subject} were not ended: {e}")


urlpatterns = [path("", index), path("login", login), path("logout", logout), path("realtime-auth", realtime_auth)]

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    User.objects.create_user("ann", id=42, first_name="Ann", password="ann").groups.add(Group.objects.create(name="live"))
    User.objects.create_user("bob", id=43, first_name="Bob", password="bob")
    call_command("runserver", f"127.0.0.1:{os.environ.get('PORT', '8000')}", use_reloader=False)
