"""The routes as the contract, the README and these tests write them: `GET /api/jobs/<id>`."""

import re
from functools import lru_cache

from web.app import create_app
from web.contract import Route

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


@lru_cache(maxsize=1)
def every_route() -> dict[str, Route]:
    """All that the program serves, by how it is written."""
    app = create_app()
    views = [app.view_functions[rule.endpoint] for rule in app.url_map.iter_rules()]
    return {written(view.route): view.route for view in views}  # type: ignore[attr-defined]


def written(route: Route) -> str:
    return f"{route.method} {_PARAMETER.sub(lambda found: _plain(found[1]), route.path)}"


def _plain(parameter: str) -> str:
    return "<key>" if parameter == "key" else "<id>"
