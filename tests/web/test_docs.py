"""The API about itself."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from models.errors import ClorpError
from tests.support import claim, close, drive, let_time_pass, people, person, post
from tests.web.answers import ok, refused
from web import contract, openapi

PAGES = {
    "/docs": "text/html",
    "/docs.css": "text/css",
    "/llms.txt": "text/plain",
    "/skill.md": "text/markdown",
    "/client.py": "text/x-python",
    "/openapi.json": "application/json",
}


def test_the_document_is_valid_openapi(api):
    document = ok(api.get(None, "/openapi.json"))
    assert document["openapi"] == "3.1.0"
    validate(document)


def test_every_operation_has_a_name_of_its_own():
    operations = [part for path in openapi.document()["paths"].values() for part in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names)) == len(contract.routes)


def test_every_operation_says_what_it_does_and_what_it_may_refuse():
    for path in openapi.document()["paths"].values():
        for operation in path.values():
            assert operation["summary"].endswith(".")
            assert all(part["description"] for part in operation["responses"].values())


def _kinds(kind: type[ClorpError]):
    for child in kind.__subclasses__():
        yield child
        yield from _kinds(child)


def test_every_code_stands_in_the_table_and_on_the_page(api):
    page = api.get(None, "/docs").text
    codes = {code for _, code, _, _ in openapi.codes()}
    assert {kind.code for kind in _kinds(ClorpError) if not kind.__subclasses__()} <= codes
    assert all(f'id="{code}"' in page for code in codes)


def test_what_only_groups_refusals_is_no_code_of_an_answer():
    assert not {"forbidden", "conflict", "too_many_requests"} & {code for _, code, _, _ in openapi.codes()}


def test_every_code_means_one_number():
    numbers: dict[str, set[int]] = {}
    for status, code, _, _ in openapi.codes():
        numbers.setdefault(code, set()).add(status)
    assert [code for code, found in numbers.items() if len(found) > 1] == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_there_for_everybody(api, path):
    answer = api.get(None, path)
    assert answer.status_code == 200
    assert answer.mimetype == PAGES[path]


def test_pages_are_cached_but_one_that_names_the_host_of_its_request(api, settle):
    """A cache would hand the guide of one client, with the host that it asked for, to another one."""
    kept = {path: api.get(None, path).headers["Cache-Control"] for path in PAGES}
    assert kept.pop("/skill.md") == "no-store"
    assert all("max-age" in header for header in kept.values())
    settle(public_url="https://market.example")
    assert "max-age" in api.get(None, "/skill.md").headers["Cache-Control"]


def test_the_page_asks_for_nothing_from_elsewhere(api):
    answer = api.get(None, "/docs")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in answer.text
    assert "style=" not in answer.text
    assert re.findall(r'(?:src|href)="(?:[a-z]+:|//)', answer.text) == []


def test_every_link_of_the_page_leads_somewhere(api):
    page = api.get(None, "/docs").text
    ids = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= ids


def test_every_route_stands_on_the_page_and_in_the_texts(api):
    page, text = api.get(None, "/docs").text, api.get(None, "/llms.txt").text
    for route in contract.routes:
        assert f"<code>{openapi.path(route)}</code>" in page
        assert f"`{route.method} {openapi.path(route)}`" in text


def test_the_examples_of_bodies_are_bodies(api):
    """What the page shows as a body is one that the model takes."""
    document = openapi.document()
    for route in contract.routes:
        if route.body:
            schema = document["paths"][openapi.path(route)][route.method.lower()]["requestBody"]
            schema = schema["content"]["application/json"]["schema"]
            value = openapi.example(schema, document["components"]["schemas"])
            route.body.model_validate(json.loads(json.dumps(value)))


def test_the_guide_for_agents_names_only_routes_that_exist(api):
    guide = api.get(None, "/skill.md").text
    known = {_unnamed(f"{route.method} {route.path}") for route in contract.routes}
    named = {_unnamed(route) for route in re.findall(r"`((?:GET|POST|DELETE) /[^`? ]+)", guide)}
    assert named
    assert named <= known


def test_every_answer_in_the_guide_for_agents_is_as_the_server_gives_it(api):
    guide = api.get(None, "/skill.md").text
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", guide, re.DOTALL)]
    assert [_form(answer) for answer in shown] == [_form(answer) for answer in _answers(api)]


def _answers(api) -> Iterator[Any]:
    """What an agent is answered that competes and wins, in the order of the guide."""
    (bob, *others, late), job_id = people(6), post(person(300), price_cents=300, min_grade="B")
    yield ok(api.get(None, "/api/board"))["board"][0]
    yield ok(api.post(bob, f"/api/jobs/{job_id}/claim"), 201)
    yield ok(api.post(bob, f"/api/jobs/{job_id}/submit", text="1. Rhine\n2. Danube\n3. Volga"))
    for other in others:
        claim(other, job_id)
    refusal = refused(api.post(late, f"/api/jobs/{job_id}/claim"), 409, "arena_full")
    let_time_pass(job_id)
    close(job_id)
    assert drive(job_id) == "verified"
    yield ok(api.get(bob, "/api/users/status"))[0]
    yield refusal


def _form(value: Any) -> Any:
    """What a program relies on: names, kinds, what is null, and what a list holds."""
    if isinstance(value, dict):
        return {name: _form(part) for name, part in value.items()}
    return [_form(part) for part in value] if isinstance(value, list) else type(value)


def _unnamed(route: str) -> str:
    """A route without the names of its parameters: the guide has them as people write them."""
    return re.sub(r"<[^>]+>", "<>", route)


def test_the_templates_are_part_of_the_package():
    assert (Path(contract.__file__).parent / "templates" / "docs.html").exists()
