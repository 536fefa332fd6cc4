"""`/pair/`: the computer shows a QR code; a phone that opens its address is paired."""

from __future__ import annotations

import io
import re

import segno
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from chat.identity import COOKIE, caller_of
from chat.pairing import CodeRefused, new_code, redeem

ADDRESS = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:]+\](:\d{1,5})?")
YEAR_S = 365 * 24 * 3600


@never_cache
@require_http_methods(["GET", "POST"])
def pair(request: HttpRequest) -> HttpResponse:
    """GET with a code: a page with one button; POST: the code is used up and the browser gets its cookie.

    Only a POST uses the code, because messengers and camera apps fetch an address to preview it.
    """
    if request.method == "POST":
        return _redeem(request)
    if code := request.GET.get("code"):
        return render(request, "chat/pair.html", {"code": code})
    if not caller_of(request.scope).is_loopback:  # type: ignore[attr-defined]
        return render(request, "chat/pair.html", {"foreign": True}, status=403)
    return render(request, "chat/pair.html", _invitation(request))


def _invitation(request: HttpRequest) -> dict[str, object]:
    """A QR code of the best address that phones can reach; none where there is no such address.

    `?address=HOST:PORT` names another: behind a forwarded port or a proxy, phones use one that this computer does not have.
    """
    scope = request.scope  # type: ignore[attr-defined]
    named = request.GET.get("address", "")
    urls = [f"http://{named}"] if ADDRESS.fullmatch(named) else scope["state"]["runtime"].phone_urls(scope["server"][1])
    if not urls:
        return {"nowhere": True}
    code = "" if settings.CONFIG.open else f"pair/?code={new_code().code}"
    return {"address": f"{urls[0]}/{code}", "qr": _svg(f"{urls[0]}/{code}"), "others": urls[1:]}


def _redeem(request: HttpRequest) -> HttpResponse:
    try:
        _, token = redeem(code=request.POST.get("code", ""), name=_device_name(request))
    except CodeRefused:
        return render(request, "chat/pair.html", {"refused": True}, status=403)
    response = HttpResponseRedirect("/")
    response.set_cookie(COOKIE, token, max_age=YEAR_S, httponly=True, samesite="Lax", secure=request.is_secure())
    return response


def _svg(address: str) -> str:
    buffer = io.BytesIO()
    segno.make(address, error="m").save(buffer, kind="svg", scale=6, border=3, xmldecl=False, svgns=True, dark="#000", light="#fff")
    return buffer.getvalue().decode()


def _device_name(request: HttpRequest) -> str:
    """What the owner will know it by."""
    agent = request.headers.get("User-Agent", "")
    return next((name for name in ("iPhone", "iPad", "Android", "Windows", "Macintosh", "Linux") if name in agent), "browser")
