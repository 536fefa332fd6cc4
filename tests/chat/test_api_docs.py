"""The documentation of the API: complete, and served from here alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.staticfiles import finders

from chat.api.router import api
from tests.chat.api import HOME, ask

pytestmark = pytest.mark.usefixtures("transactional_db")


async def test_the_page_needs_no_other_host_and_nothing_inline() -> None:
    page = await ask("GET", "docs", host=HOME)
    assert page.status_code == 200
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! type=\"application/json\"| src=\"/static/)", page.text)
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(files) >= 3
    for file in files:
        assert file.startswith("/static/"), file
        assert finders.find(file.removeprefix("/static/")), file


async def test_api_leads_to_it() -> None:
    response = await ask("GET", "", host=HOME)
    assert (response.status_code, response.headers["location"]) == (302, "/api/docs")


async def test_the_schema_as_json() -> None:
    schema = (await ask("GET", "openapi.json", host=HOME)).json()
    assert schema["openapi"] == "3.1.0"
    assert schema["components"]["securitySchemes"]["PairedDevice"] == {"type": "http", "scheme": "bearer"}
    assert "security" not in schema["paths"]["/api/pair"]["post"]


def operations() -> list[Any]:
    schema = api.get_openapi_schema()
    return [pytest.param(operation, id=operation["operationId"]) for methods in schema["paths"].values() for operation in methods.values()]


@pytest.mark.parametrize("operation", operations())
def test_every_operation_says_what_it_does_and_how_it_refuses(operation: Any) -> None:
    assert operation["summary"]
    for status in (401, 403, 422, 429, 503):
        assert operation["responses"][status]["content"]["application/json"]["schema"]["$ref"].endswith("/Error")


def test_what_is_referred_to_is_there() -> None:
    schema = api.get_openapi_schema()
    referred = set(re.findall(r"#/components/schemas/(\w+)", str(schema)))
    assert referred == set(schema["components"]["schemas"])
