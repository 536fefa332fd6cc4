"""`/pair/`: the computer shows QR codes and its devices; a phone is paired there, brings further devices of its person, and leaves."""

from __future__ import annotations

import re
import zlib
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat import clients, keys, limits, pair_words, pairing, people, qr, services, wifi
from chat.identity import COOKIE, caller_of, identify, place_of
from chat.invitation import Viewer, further_for, invitation, port_of, uuid_of
from chat.models import Device, Owner

YEAR_S = 365 * 24 * 3600
AGENTS = {"iPhone": "", "iPad": "", "HarmonyOS": "", "Android": "", "Windows": "", "Macintosh": "Mac", "Linux": ""}
"""A mark in what a browser calls itself: what people call it, where that is something else."""


@never_cache
@require_http_methods(["GET", "POST"])
def pair(request: HttpRequest) -> HttpResponse:
    """GET with a code: a page with one button; POST: the code is used up and the browser gets its cookie.

    Only a POST uses the code, because messengers and camera apps fetch an address to preview it.
    Without a code it depends on who looks: the computer shows a QR code, a paired phone what it is, a stranger what to do.
    """
    viewer = _viewer(request)
    if request.method == "POST":
        return _redeem(request, viewer)
    if code := request.GET.get("code"):
        return _page(request, "confirm", code=code[:100], name=_device_name(request), viewer=viewer)
    if viewer.is_host or viewer.is_paired:
        return _page(request, "host" if viewer.is_host else "phone", viewer=viewer, **_shown(request, viewer))
    if viewer.client is not None:
        return _page(request, "open")
    return _stranger(request)


@never_cache
@require_GET
def now(request: HttpRequest) -> HttpResponse:
    """For the open page: what became of the code that it shows (`?code=ID`), and whether addresses or devices are what they were."""
    viewer = _viewer(request)
    if not viewer.is_host and not viewer.is_paired:
        return JsonResponse({"code": "not_paired"}, status=403)
    code = request.GET.get("code", "")
    state = pairing.state_of(int(code), owner=viewer.owner) if re.fullmatch(r"\d{1,15}", code) else pairing.CodeState("unknown")
    devices = _devices_mark(pairing.people(viewer.owner))
    return JsonResponse({"state": state.state, "device": state.device, "places": _places_mark(request), "devices": devices})


@never_cache
@require_POST
def device(request: HttpRequest) -> HttpResponse:
    """Rename or remove a device: the host anybody's, a person their own. Removing the one that asks is leaving."""
    viewer = _viewer(request)
    if not viewer.is_host and not viewer.is_paired:
        return _stranger(request)
    found = Device.objects.filter(id=uuid_of(request.POST.get("device", "")), token_hash__isnull=False, revoked_at=None).first()
    if found is None or viewer.owner not in (None, found.owner_id):
        return _page(request, "problem", status=404, title=pair_words.say("no_device"))
    try:
        if request.POST.get("action") == "revoke":
            people.revoke_device(device=found.id)
        else:
            people.rename_device(owner=found.owner_id, device=found.id, name=request.POST.get("name", ""))
    except services.Refused as refused:
        return _page(request, "problem", status=422, title=pair_words.say(refused.code))
    response = redirect("/pair/#keys" if found.kind == Device.Kind.KEY else "/pair/#devices")
    if viewer.client is not None and found == viewer.client.device and request.POST.get("action") == "revoke":
        response.delete_cookie(COOKIE)
    return response


@never_cache
@require_POST
def key(request: HttpRequest) -> HttpResponse:
    """Make a key for other programs, of whoever asks. The answer is the only page that ever shows it."""
    viewer = _viewer(request)
    if viewer.client is None or not (viewer.is_host or viewer.is_paired):
        return _stranger(request)
    name = request.POST.get("name", "")
    try:
        made, plain = keys.new_key(owner=viewer.client.device.owner, name=name)
    except services.Refused as refused:
        return _page(request, "problem", status=422, title=pair_words.say(refused.code, **refused.params))
    return _page(request, "key_made", name=made.name, key=plain, api_base=_api_base(request))


@never_cache
@require_POST
@sensitive_post_parameters("password")
def join(request: HttpRequest) -> HttpResponse:
    """A QR code that joins the Wi-Fi. What was entered goes into the picture: no log, no database, no address, no cache has it."""
    viewer = _viewer(request)
    if not viewer.is_host:
        return _stranger(request)
    name, hidden = request.POST.get("name", "").strip(), "hidden" in request.POST
    has_password = request.POST.get("security") != "none"
    form = {"name": name, "hidden": hidden, "has_password": has_password}
    try:
        if has_password and not request.POST.get("password"):
            raise wifi.Unusable("wifi_password_length")
        text = wifi.joining(name, request.POST.get("password", "") if has_password else "", hidden=hidden)
    except wifi.Unusable as error:
        return _page(request, "wifi_page", status=422, wifi=form | {"error": pair_words.say(str(error))})
    return _page(request, "wifi_page", wifi=form | {"svg": qr.svg(text)})


# --- who looks -----------------------------------------------------------------------------------------------------------------------


def _viewer(request: HttpRequest) -> Viewer:
    caller = caller_of(request.scope)  # type: ignore[attr-defined]
    return Viewer(identify(caller, open_to_all=settings.CONFIG.open), caller.is_loopback)


def _stranger(request: HttpRequest, *, status: int = 403, **more: Any) -> HttpResponse:
    return _page(request, "stranger", status=status, name=_device_name(request), address=f"http://127.0.0.1:{port_of(request)}/pair/", **more)


def _redeem(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    code, name = request.POST.get("code", ""), request.POST.get("name", "").strip() or _device_name(request)
    try:
        limits.shared().take(place_of(caller_of(request.scope)), pairings=1)  # type: ignore[attr-defined]
        _, token = pairing.redeem(code=code, name=name, replaces=viewer.client.device if viewer.client else None)
    except limits.Exceeded as error:
        response = _stranger(request, status=429, problem=pair_words.say("tries_title"), why=pair_words.say("tries", seconds=error.retry_after_s))
        response["Retry-After"] = str(error.retry_after_s)
        return response
    except pairing.CodeRefused:
        return _stranger(request, problem=pair_words.say("refused_title"), why=pair_words.say("refused"))
    rotate_token(request)
    paired = HttpResponseRedirect(clients.for_browser(request))
    paired.set_cookie(COOKIE, token, max_age=YEAR_S, httponly=True, samesite="Lax", secure=request.is_secure())
    return paired


# --- what is shown -------------------------------------------------------------------------------------------------------------------


def _page(request: HttpRequest, template: str, /, *, status: int = 200, **context: Any) -> HttpResponse:
    """`?only=devices` leaves the code out, for a page that wants the rest again: a code that nobody sees need not be made."""
    theme = request.COOKIES.get("llmsite_theme", "")
    shown = {
        "language": "zh-Hans" if pair_words.chinese() else "en",
        "theme": theme if theme in ("light", "dark") else "",
        "chat": clients.for_browser(request),
    }
    return render(request, f"chat/pair/{template}.html", shown | context, status=status)


def _shown(request: HttpRequest, viewer: Viewer) -> dict[str, Any]:
    people = pairing.people(viewer.owner)
    former = [person for person in people if not person.devices and person.owner.kind != Owner.Kind.HOST]
    context: dict[str, Any] = {"people": [person for person in people if person not in former], "former": former}
    context |= {"keyed": [person for person in people if person.keys], "api_base": _api_base(request)}
    further = further_for(request, viewer)
    if request.GET.get("only") != "devices" and (viewer.is_host or further is not None):
        context["invitation"] = invitation(request, viewer, further)
    marks = {"devices_mark": _devices_mark(people), "places_mark": _places_mark(request)}
    return context | marks | {"open": settings.CONFIG.open, "port": port_of(request)}


def _api_base(request: HttpRequest) -> str:
    """Where other programs find /v1/, by the address that this page has."""
    return f"{request.scheme}://{request.get_host()}/v1"


def _places_mark(request: HttpRequest) -> str:
    """Changes when the addresses do."""
    runtime = request.scope["state"]["runtime"]  # type: ignore[attr-defined]
    return _mark([[address.url(0) for address in runtime.known_addresses()], runtime.address_name])


def _devices_mark(people: list[pairing.Person]) -> str:
    """Changes when a device is paired, renamed, removed or seen, the last to the minute."""
    return _mark([[(d.id, d.name, d.last_seen_at and d.last_seen_at.replace(second=0, microsecond=0)) for d in person.devices] for person in people])


def _mark(value: object) -> str:
    return f"{zlib.crc32(repr(value).encode()):08x}"


def _device_name(request: HttpRequest) -> str:
    """What it is likely to be called, until its person says better."""
    agent = request.headers.get("User-Agent", "")
    return next((name or mark for mark, name in AGENTS.items() if mark in agent), "browser")
