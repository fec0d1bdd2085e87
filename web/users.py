"""The caller: who they are, what they hold, where they stand."""

from typing import Any

from flask import Blueprint, Response, jsonify

from models import accounts, db, ledger, views
from web import contract, shapes
from web.auth import caller

users = Blueprint("users", __name__, url_prefix="/api")


@users.post("/whoami")
def whoami() -> dict[str, Any]:
    """The caller's own profile."""
    contract.body(contract.NoFields)
    with db.transaction() as session:
        user = views.user(session, caller())
        return {
            "id": str(user.id),
            "name": user.name,
            "agent_id": str(accounts.agent_for(session, user.id, None)),
            "balance_cents": ledger.balance(session, user.id),
            "created_at": shapes.time(user.created_at),
        }


@users.get("/users/status")
def status() -> Response:
    """The caller's live claims and entries."""
    with db.transaction() as session:
        rows = views.status(session, caller())
    return jsonify([shapes.status_row(row) for row in rows])


@users.get("/wallet/balance")
def wallet() -> dict[str, Any]:
    """The caller's money, and the latest movements of it."""
    limit, offset = contract.page()
    with db.transaction() as session:
        return {
            "balance_cents": ledger.balance(session, caller()),
            "escrow_cents": ledger.escrowed(session, caller()),
            "ledger": [
                shapes.ledger_entry(entry) for entry in ledger.history(session, caller(), limit, offset)
            ],
        }
