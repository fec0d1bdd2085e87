"""What typed routes cost: `python -m tests.bench.routes`. Prints microseconds a request, asserts nothing.

The same body goes through a bare Flask view and through a typed route without a database, in turns, so that
what else the machine does hits both alike; the difference is what validation and answering add.
"""

import json
import statistics
import time
from typing import Any

from flask import Flask, jsonify, request

from models.market import Draft
from web import contract
from web.contract import Routes
from web.shapes import Estimate

ROUNDS, REQUESTS = 30, 200
BODY = json.dumps({"prompt": "Name three rivers of Europe.", "pack": "scout", "price_cents": 300})


def main() -> None:
    """Measure both, in turns."""
    app = _app()
    client = app.test_client()
    times: dict[str, list[float]] = {"/bare": [], "/typed": []}
    for _ in range(ROUNDS):
        for path, found in times.items():
            begun = time.perf_counter()
            for _ in range(REQUESTS):
                answer = client.post(path, data=BODY, content_type="application/json")
            found.append((time.perf_counter() - begun) / REQUESTS * 1e6)
            assert answer.status_code == 200, answer.text
    bare, typed = (statistics.median(found) for found in times.values())
    print(f"bare Flask {bare:.0f} µs, typed {typed:.0f} µs: {typed - bare:+.0f} µs a request")


def _app() -> Flask:
    app = Flask("bench")
    routes = Routes("typed")

    @routes.post("/typed", Estimate, body=Draft)
    def typed(body: Draft) -> Estimate:
        """The same as `bare`, typed."""
        return Estimate(**_answer(body.prompt, body.pack))

    app.register_blueprint(routes.blueprint)
    contract.routes.pop()  # not one of the program's

    @app.post("/bare")
    def bare() -> Any:
        body = request.get_json()
        return jsonify(_answer(body["prompt"], body["pack"]))

    return app


def _answer(prompt: str, pack: str) -> dict[str, Any]:
    return {
        "needs_confirmation": True, "prompt": prompt, "title": prompt, "pack": pack, "max_claims": 5,
        "estimated_price_cents": 300, "estimated_time_limit_seconds": 300, "fee_cents": 0,
        "payout_cents": 300, "price_clamped": False,
    }  # fmt: skip


if __name__ == "__main__":
    main()
