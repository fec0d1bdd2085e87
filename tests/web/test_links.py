"""Links in answers: relative, or behind CLORP_PUBLIC_URL where a proxy strips a part of the path."""

import re
from urllib.parse import urljoin

import pytest

from models.settings import SettingsError, settings
from tests.support import person, post
from tests.web.answers import ok

PUBLIC = "https://market.example/clorp"
PAGES = ("/docs", "/docs/", "/llms.txt")


def links(api, path: str) -> list[str]:
    text = api.get(None, path).text
    return [link for link in re.findall(r'href="([^#"]*)"|\]\(([^)]*)\)', text) for link in link if link]


def next_link(api, path: str, **query: object) -> str:
    found = re.fullmatch(r'<([^>]*)>; rel="next"', api.get(None, path, **query).headers["Link"])
    assert found
    return found[1]


@pytest.fixture
def drops(http):
    sender = person(1_000)
    return [str(post(sender)) for _ in range(3)]


def test_without_a_public_address_links_are_right_behind_any_prefix(api, drops):
    """A proxy that strips /clorp hands on /api/board; the client resolves against what it asked for."""
    for prefix in ("", "/clorp", "/a/b"):
        for page in PAGES:
            for link in links(api, page):
                target = urljoin(f"https://market.example{prefix}{page}", link)
                assert target.startswith(f"https://market.example{prefix}/")
                path = target.removeprefix(f"https://market.example{prefix}")
                assert api.get(None, path).status_code == 200
        url = urljoin(f"https://market.example{prefix}/api/board", next_link(api, "/api/board", limit=2))
        assert url.startswith(f"https://market.example{prefix}/api/board?limit=2&cursor=")
        server = ok(api.get(None, "/openapi.json"))["servers"][0]["url"]
        base = urljoin(f"https://market.example{prefix}/openapi.json", server)
        assert base.rstrip("/") == f"https://market.example{prefix}"


@pytest.mark.parametrize("written", [PUBLIC, f"{PUBLIC}/"])
def test_with_a_public_address_every_link_begins_with_it(api, drops, settle, written):
    settle(public_url=written)
    for page in PAGES:
        found = links(api, page)
        sheets = [link for link in found if link.endswith("docs.css")]
        assert [link for link in found if link not in sheets]
        assert all(link.startswith(f"{PUBLIC}/") for link in found if link not in sheets)
        # What a page loads comes from the page's own origin, by whatever name the browser knows it.
        assert all(urljoin(f"{PUBLIC}{page}", link) == f"{PUBLIC}/docs.css" for link in sheets)
    addresses = set(re.findall(r"https?://[\w./:-]*\w", api.get(None, "/skill.md").text))
    assert f"{PUBLIC}/openapi.json" in addresses
    assert all(address == PUBLIC or address.startswith(f"{PUBLIC}/") for address in addresses)
    assert ok(api.get(None, "/openapi.json"))["servers"] == [{"url": PUBLIC}]
    link = next_link(api, "/api/board", limit=2, offset=0, pack="wild")
    assert link.startswith(f"{PUBLIC}/api/board?limit=2&")
    following = api.http.get(link.removeprefix(PUBLIC))
    assert [row["id"] for row in ok(following)["board"]] == drops[:1]


def test_the_document_follows_the_setting(api, settle):
    settle(public_url=PUBLIC)
    assert ok(api.get(None, "/openapi.json"))["servers"] == [{"url": PUBLIC}]
    settle(public_url="")
    assert ok(api.get(None, "/openapi.json"))["servers"] == [{"url": "."}]


@pytest.mark.parametrize(
    "wrong",
    [
        "market.example",
        "ftp://market.example",
        "https://",
        "https://x?y=1",
        "https://x#y",
        "https://x/>y",
        "http://x\ty",
    ],
)
def test_an_address_that_is_none_is_refused(monkeypatch, wrong):
    monkeypatch.setenv("CLORP_PUBLIC_URL", wrong)
    settings.cache_clear()
    with pytest.raises(SettingsError, match="CLORP_PUBLIC_URL"):
        settings()
    monkeypatch.undo()
    settings.cache_clear()
