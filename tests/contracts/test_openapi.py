"""What programs that read `/openapi.json` need: types, patterns of every engine, no unions."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.signs import NAMES, SEEN
from web import inputs, openapi
from web.app import create_app

METHODS = {"get", "post", "patch", "delete"}


def parts(part: Any, place: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the document with its place, the examples left out."""
    if isinstance(part, dict):
        yield place, part
        for name, below in part.items():
            if name not in ("examples", "default"):
                yield from parts(below, f"{place}/{name}")
    elif isinstance(part, list):
        for number, below in enumerate(part):
            yield from parts(below, f"{place}/{number}")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    create_app()  # makes the routes known
    return json.loads(json.dumps(openapi.document()))


@pytest.fixture(scope="module")
def patterns(document) -> dict[str, dict[str, Any]]:
    """The schemas with a pattern. A property may have that name as well."""
    found = {place: part for place, part in parts(document) if isinstance(part.get("pattern"), str)}
    assert len(found) > 10
    return found


def schema_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    return document["components"]["schemas"][name]


def test_beside_each_pattern_stands_its_type(patterns):
    assert [place for place, part in patterns.items() if part.get("type") != "string"] == []


def test_every_engine_reads_the_patterns(patterns):
    for pattern in {part["pattern"] for part in patterns.values()}:
        assert re.fullmatch(r"[ -~]+", pattern)
        assert "\\u" not in pattern  # unknown to RE2 and PCRE, and to Java's source code something else
        assert "\\n" not in pattern
        assert re.findall(r"\(\?", pattern) == []  # no group of one engine's own
        re.compile(pattern)


def test_the_patterns_may_be_matched_from_the_beginning_or_anywhere(patterns):
    """`re.match`, and libraries of its kind, know no search; others know nothing else."""
    for pattern in {part["pattern"] for part in patterns.values()}:
        assert pattern.startswith("^")
        assert pattern.endswith("$")


@pytest.mark.parametrize("text", [*SEEN, " \t\n visible", "a\nb\n"])
def test_what_can_be_seen_fits(document, text):
    for model, field in (("RunBody", "prompt"), ("Entry", "text")):
        assert re.match(schema_of(document, model)["properties"][field]["pattern"], text)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_a_name_fits(document, name):
    pattern = schema_of(document, "SignUp")["properties"]["name"]["pattern"]
    assert re.match(pattern, name)
    assert re.match(pattern, f"  {name} ")


@pytest.mark.parametrize("keyword", ["patternProperties", "allOf", "oneOf", "not", "if"])
def test_no_schema_has_a_keyword_that_generators_pass_over(document, keyword):
    assert [place for place, part in parts(document) if keyword in part] == []


def test_no_schema_is_a_union(document):
    """Null is the one alternative: what may be a text or an object becomes a class without a name."""
    unions = {
        place: [option for option in part["anyOf"] if option.get("type") != "null"]
        for place, part in parts(document)
        if "anyOf" in part
    }
    assert unions
    assert {place: options for place, options in unions.items() if len(options) > 1} == {}


def test_no_boolean_is_a_constant(document):
    assert [place for place, part in parts(document) if isinstance(part.get("const"), bool)] == []
    assert schema_of(document, "Revoked")["properties"]["revoked"]["type"] == "boolean"


def test_every_array_says_of_what_and_every_property_what_it_is(document):
    bare = [place for place, part in parts(document) if part.get("type") == "array" and "items" not in part]
    assert bare == []
    for name, schema in document["components"]["schemas"].items():
        for field, part in schema.get("properties", {}).items():
            assert {"type", "$ref", "anyOf"} & part.keys(), f"{name}.{field}"


def test_a_file_is_named_as_the_public_page_names_it(document):
    for model, field in (("RunBody", "attachments"), ("Entry", "files")):
        items = schema_of(document, model)["properties"][field]["items"]
        assert items == {"$ref": "#/components/schemas/Named"}
    assert list(schema_of(document, "Named")["properties"]) == ["key", "name", "size"]
    assert schema_of(document, "Named")["required"] == ["key"]


def test_variables_are_texts_by_name(document):
    variables = schema_of(document, "RunBody")["properties"]["envVars"]
    assert variables["additionalProperties"]["type"] == "string"


def test_a_download_is_bytes_and_a_stream_is_text(document):
    download = document["paths"]["/api/uploads/{key}"]["get"]["responses"]["200"]["content"]
    assert download == {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    for path, event in (("/api/jobs/{job_id}/logs", "Happening"), ("/api/board/stream", "BoardHappening")):
        content = document["paths"][path]["get"]["responses"]["200"]["content"]
        schema = content["text/event-stream"]["schema"]
        assert schema["type"] == "string"
        assert schema["contentSchema"] == {"$ref": f"#/components/schemas/{event}"}


def test_every_answer_has_one_type_of_content(document):
    for place, part in parts(document["paths"]):
        if "content" in part and isinstance(part["content"], dict):
            assert "*/*" not in part["content"], place


def test_an_operation_has_a_name_of_a_function_and_a_tag_that_is_described(document):
    tags = {tag["name"]: tag["description"] for tag in document["tags"]}
    assert all(about.endswith(".") for about in tags.values())
    for path in document["paths"].values():
        for operation in (path[method] for method in METHODS & path.keys()):
            assert operation["operationId"].isidentifier()
            assert set(operation["tags"]) <= tags.keys()


def test_every_operation_may_be_refused_for_its_query_string(document, http):
    """Each route bounds the number of parameters, so each has this answer."""
    many = "&".join(f"x{number}=1" for number in range(inputs.FIELDS_MAX + 1))
    for path, operations in document["paths"].items():
        for operation in (operations[method] for method in METHODS & operations.keys()):
            assert "invalid_request" in operation["responses"]["400"]["description"], path
    for path in ("/healthz", "/docs", "/api/trust", "/client.py"):
        answer = http.get(f"{path}?{many}")
        assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_request")


def test_readers_of_yaml_read_the_same(document):
    """JSON is YAML, but for characters that YAML does not print and keys that are too long for it."""
    assert yaml.safe_load(json.dumps(document)) == document
    assert yaml.safe_load(json.dumps(document, ensure_ascii=False, indent=1)) == document


@pytest.mark.parametrize(
    "model", ["Estimate", "Released", "Received", "Revoked", "Deleted", "Alive", "LiveClaim"]
)
def test_what_is_always_there_is_required(document, model):
    """Where it told two answers apart, clients in TypeScript could not: it might be missing."""
    schema = schema_of(document, model)
    assert set(schema["required"]) == set(schema["properties"])


@pytest.mark.parametrize("taken", ["File", "Blob", "Error", "Response", "Request", "Client", "Configuration"])
def test_no_schema_takes_a_name_that_clients_need(document, taken):
    """A schema `File` took the place of the type `File` of browsers, in what is uploaded and downloaded."""
    assert taken not in document["components"]["schemas"]
