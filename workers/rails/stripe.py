"""Stripe: Checkout for top-ups, saved cards for automatic ones, Connect transfers for withdrawals."""

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import stripe
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import Unavailable
from models.notices import CURRENCY, Order, RailName
from workers.rails.protocol import Checkout, Payee, RailDown, Refused, Sent

M = TypeVar("M", bound=BaseModel)

TIMEOUT_SECONDS = (3, 10)  # to connect, to answer; a request of ours waits for it
PRODUCT = "clorp wallet"


class _Made(BaseModel):
    """What we look at of an answer; the rest may change. Nothing of it is believed to be there."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(min_length=1, max_length=255)


class _Link(BaseModel):
    """Where people are sent to."""

    model_config = ConfigDict(from_attributes=True)

    url: str = Field(pattern="^https://", max_length=5_000)


class _Page(_Made, _Link):
    pass


class _Capabilities(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    transfers: str | None = None


class _Account(_Made):
    capabilities: _Capabilities | None = None


class _Found(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    data: list[_Made]


class Stripe:
    """Every call carries the payment's id as idempotency key, so that it can be repeated for 24 h."""

    name: RailName = "stripe"
    immediate = False

    def __init__(self, secret_key: str, api_url: str | None, public_url: str | None) -> None:
        self._public_url = public_url
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_url} if api_url else None,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
            max_network_retries=0,  # the sweep is the retry
        )

    def checkout(self, order: Order, save_card: bool) -> Checkout:
        """A Checkout page for exactly this amount."""
        intent: dict[str, Any] = {"metadata": _metadata(order)}
        if save_card:
            intent["setup_future_usage"] = "off_session"
        price = {"currency": CURRENCY, "unit_amount": order.amount_cents, "product_data": {"name": PRODUCT}}
        customer: dict[str, Any] = {"customer": order.customer} if order.customer else {}
        if save_card and not order.customer:
            customer = {"customer_creation": "always"}
        params: Any = {
            "mode": "payment",
            "client_reference_id": str(order.payment_id),
            "metadata": _metadata(order),
            "line_items": [{"quantity": 1, "price_data": price}],
            "payment_intent_data": intent,
            "success_url": self._return_url(),
            "cancel_url": self._return_url(),
            **customer,
        }
        sessions = self._client.v1.checkout.sessions
        page = _ask(_Page, lambda: sessions.create(params, {"idempotency_key": str(order.payment_id)}))
        return Checkout(page.id, page.url)

    def carry_out(self, order: Order) -> Sent:
        """Charge the saved card, or transfer to the connected account."""
        return self._charge(order) if order.kind == "topup" else self._transfer(order)

    def payee(self, user_id: UUID, account: str | None) -> Payee:
        """The user's connected account, and the way to Stripe's own form while it lacks something."""
        accounts = self._client.v1.accounts
        if account is None:
            params: Any = {
                "type": "express",
                "capabilities": {"transfers": {"requested": True}},
                "metadata": {"user_id": str(user_id)},
            }
            made = _ask(_Made, lambda: accounts.create(params, {"idempotency_key": f"account:{user_id}"}))
            account = made.id
        known = account
        found = _ask(_Account, lambda: accounts.retrieve(known))
        if found.capabilities and found.capabilities.transfers == "active":
            return Payee(known, ready=True, url=None)
        link: Any = {
            "account": known,
            "type": "account_onboarding",
            "return_url": self._return_url(),
            "refresh_url": self._return_url(),
        }
        made_link = _ask(_Link, lambda: self._client.v1.account_links.create(link))
        return Payee(known, ready=False, url=made_link.url)

    def try_out(self) -> None:
        """List the latest of each kind that we make: a key that may make them may list them."""
        latest: Any = {"limit": 1}
        v1 = self._client.v1
        for listed in (v1.checkout.sessions, v1.payment_intents, v1.transfers):
            try:
                _ask(_Found, lambda listed=listed: listed.list(latest))  # type: ignore[misc]
            except Refused as refusal:
                raise Unavailable(cause=refusal.reason) from None

    def _return_url(self) -> str:
        """Return where Stripe sends a person back to.

        Raises:
            Unavailable: no public address is configured.
        """
        if not self._public_url:
            raise Unavailable("This server has no CLORP_PUBLIC_URL, to which Stripe could send people back.")
        return f"{self._public_url}/wallet/done"

    def _charge(self, order: Order) -> Sent:
        if not (order.customer and order.payment_method):
            raise Refused("payment_method_missing")
        params: Any = {
            "amount": order.amount_cents,
            "currency": CURRENCY,
            "customer": order.customer,
            "payment_method": order.payment_method,
            "off_session": True,
            "confirm": True,
            "metadata": {**_metadata(order), "automatic": "true"},
        }
        intents = self._client.v1.payment_intents
        intent = _ask(_Made, lambda: intents.create(params, {"idempotency_key": str(order.payment_id)}))
        return Sent(intent.id)

    def _transfer(self, order: Order) -> Sent:
        if not order.payout_account:
            raise Refused("payout_account_missing")
        group = str(order.payment_id)
        transfers = self._client.v1.transfers
        if order.retried:
            # Stripe forgets idempotency keys after a day; the group is found for ever.
            made = _ask(_Found, lambda: transfers.list({"transfer_group": group, "limit": 1})).data
            if made:
                return Sent(made[0].id)
        params: Any = {
            "amount": order.amount_cents,
            "currency": CURRENCY,
            "destination": order.payout_account,
            "transfer_group": group,
            "metadata": _metadata(order),
        }
        return Sent(_ask(_Made, lambda: transfers.create(params, {"idempotency_key": group})).id)


def _metadata(order: Order) -> dict[str, str]:
    return {"payment_id": str(order.payment_id)}


def _ask(form: type[M], call: Callable[[], object]) -> M:
    """Call Stripe, check the form of its answer, and sort its errors: a final no, or no answer.

    Raises:
        Refused: the request itself is wrong, or the card was declined.
        RailDown: everything else, for nobody knows whether it happened.
    """
    try:
        return form.model_validate(call())
    except ValidationError:  # its text quotes the answer
        sentence = "The payment provider's answer makes no sense; try again."
        raise RailDown(sentence, cause="an answer of another form", retry_after=5) from None
    except (stripe.InvalidRequestError, stripe.CardError) as error:
        raise Refused(error.code or "refused") from None
    except stripe.StripeError as error:
        raise RailDown(cause=_cause(error), retry_after=5) from error


def _cause(error: stripe.StripeError) -> str:
    """Return what went wrong without Stripe's own words, which may quote the request."""
    if isinstance(error, stripe.AuthenticationError):
        return "Stripe does not know STRIPE_SECRET_KEY"
    if isinstance(error, stripe.PermissionError):
        return "STRIPE_SECRET_KEY lacks a permission: write for Checkout, payments, transfers and accounts"
    status = f"HTTP {error.http_status}" if error.http_status else None
    return ", ".join(filter(None, (type(error).__name__, status, error.code)))
