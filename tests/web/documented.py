"""What the API answers, held against what its OpenAPI document says it may answer."""

from flask import Flask, Response, current_app, request

from web import openapi

ANYWHERE = {404: {"not_found"}, 405: {"method_not_allowed"}}  # addresses that no route has


def undocumented(app: Flask) -> list[str]:
    """A list that fills with the answers of `app` that its documentation does not know."""
    found: list[str] = []

    def check(response: Response) -> Response:
        if request.method == "OPTIONS":  # of HTTP, not of the API
            return response
        route = current_app.view_functions[request.endpoint].route if request.endpoint else None
        told = {**ANYWHERE, **openapi.refused_codes(route)} if route else ANYWHERE
        answer = (response.status_code, (response.get_json(silent=True) or {}) if response.is_json else {})
        status, document = answer
        usual = route and status in {route.status, *route.also, *((304,) if route.cached else ())}
        code = document.get("code") if isinstance(document, dict) else None
        if not usual and code not in told.get(status, ()) and status != 500:
            found.append(f"{request.method} {request.path} answered {status} {code}")
        return response

    app.after_request(check)
    return found
