"""What every answer says to browsers: guess nothing, embed nothing, send nothing on."""

from flask import Flask, Response, request

ALWAYS = {"X-Content-Type-Options": "nosniff"}
# Pages say for themselves what they load; everything else loads nothing.
DEFAULTS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
BODILESS = (204, 304)
HSTS_SECONDS = 31_536_000  # a year, the least that browsers' lists take


def install(app: Flask) -> None:
    """Put them on every answer of this application."""
    app.after_request(_secure)


def _secure(response: Response) -> Response:
    response.headers.update(ALWAYS)
    for name, value in DEFAULTS.items():
        response.headers.setdefault(name, value)
    if response.status_code in BODILESS:
        response.headers.pop("Content-Type", None)  # Flask gives one to what has no content
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = f"max-age={HSTS_SECONDS}"
    return response
