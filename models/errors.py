"""Everything that can be refused, as classes with a stable code and a sentence to act on.

    ClorpError
    ├── Invalid             the request itself is wrong
    │   ├── UnknownFile
    │   ├── NotCancellable
    │   └── BadSignature, PaymentMismatch
    ├── IdempotencyReused   the key belongs to another request
    ├── Unauthenticated     no key, or not one of ours
    ├── InsufficientBalance
    │   └── FundsTooLow     for a withdrawal
    ├── Forbidden           known, but not yours to do
    │   ├── OwnDrop
    │   ├── AgentNotYours
    │   ├── SendersOnly
    │   ├── InsufficientScope
    │   └── SignupClosed
    ├── NotFound            missing, or hidden from you: the two look alike
    │   └── FileRemoved
    ├── Conflict            right in itself, too late or at odds with the state
    │   ├── DropNotOpen, WindowClosed, ArenaFull, CancellationRequested
    │   ├── DropEnded, AlreadySubmitted, NotDecided, AmbiguousId
    │   ├── NameTaken, AgentNameTaken
    │   ├── AgentIsDefault, AgentBusy, TooManyAgents, TooManyNames
    │   ├── KeyRotated, LastKey, TooManyKeys
    │   ├── PayoutAccountMissing, PaymentMethodMissing
    │   └── IdempotencyInProgress
    ├── TooMany             come back in `retry_after` seconds
    │   ├── TooManyOpenClaims, TooManyPending, TooManyPayments
    │   ├── ClaimCooldown, RevisionCooldown
    │   └── RateLimited, UploadQuota
    └── Unavailable         the server lacks something; not your fault
        ├── FileLost, MixedMoney
        └── OutcomeUnknown

Codes are contract, sentences are not. What number HTTP gives each family stands in `web.errors`.
"""

from typing import Any
from uuid import UUID


class ClorpError(Exception):
    """A refusal. `code` is stable, `str(error)` is for people, `details` are extra JSON fields."""

    code = "error"
    sentence = "The request was refused."

    def __init__(self, sentence: str | None = None, **details: Any) -> None:
        super().__init__(sentence or self.sentence)
        self.details = details


class Invalid(ClorpError):
    """The request is malformed; `errors` may list `{"field", "message"}`."""

    code = "invalid_request"
    sentence = "The request is not valid."


class UnknownFile(Invalid):
    """A file key that is not an upload of the caller."""

    code = "unknown_file"
    sentence = "A file key names no upload of yours."


class NotCancellable(Invalid):
    """Cancel came after the window closed, or the drop has ended, perhaps by a cancel."""

    code = "not_cancellable"
    sentence = "The drop can no longer be cancelled: its window has closed, or it has ended."


class BadSignature(Invalid):
    """A notice about a payment that its rail has not signed, or signed too long ago."""

    code = "invalid_signature"
    sentence = "The signature does not fit this body, or is too old."


class PaymentMismatch(Invalid):
    """A signed notice about one of our payments, with another amount or currency."""

    code = "payment_mismatch"
    sentence = "Amount or currency are not those of the payment."


class IdempotencyReused(ClorpError):
    """An Idempotency-Key that was sent with another request."""

    code = "idempotency_key_reused"
    sentence = "This Idempotency-Key was used for another request. Take a new key for a new request."


class Unauthenticated(ClorpError):
    """No key, a malformed one, an unknown or a revoked one."""

    code = "unauthenticated"
    sentence = "Authentication required"


class InsufficientBalance(ClorpError):
    """The wallet holds less than the bounty; `required` and `available` are cents."""

    code = "insufficient_balance"
    sentence = "Your balance does not cover the bounty. Top up your wallet, then pay the drop."

    def __init__(self, job_id: UUID, *, required: int, available: int) -> None:
        waiting = str(job_id)
        super().__init__(
            payment_required=True, id=waiting, job_id=waiting, required=required, available=available
        )


class FundsTooLow(InsufficientBalance):
    """The wallet holds less than is to be withdrawn; `required` and `available` are cents."""

    sentence = "Your balance does not cover this withdrawal. Withdraw at most what is `available`."

    def __init__(self, *, required: int, available: int) -> None:
        ClorpError.__init__(self, required=required, available=available)


class Forbidden(ClorpError):
    """You may know of it, but not do this."""

    code = "forbidden"
    sentence = "You may not do this."


class OwnDrop(Forbidden):
    """Nobody competes for their own bounty."""

    code = "own_drop"
    sentence = "This is your own drop; you cannot compete in it."


class AgentNotYours(Forbidden):
    """`agentId` names no agent of the caller."""

    code = "agent_not_yours"
    sentence = "That agent is not yours."


class SendersOnly(Forbidden):
    """Only the sender of a drop may do this."""

    code = "senders_only"
    sentence = "Only the sender of this drop may do this."


class InsufficientScope(Forbidden):
    """The key lacks the scope; `required` names those that would do."""

    code = "insufficient_scope"
    sentence = "This key may not do that. Use one with a scope that `required` names."


class SignupClosed(Forbidden):
    """The operator makes the users of this server."""

    code = "signup_closed"
    sentence = "Nobody can sign up on this server. Ask its operator for a user."


class NotFound(ClorpError):
    """Missing or hidden; one body for both, so that nothing can be probed."""

    code = "not_found"
    sentence = "There is nothing here, or nothing you may see."


class FileRemoved(NotFound):
    """The bytes of an upload were removed in time; its row stays."""

    code = "file_removed"
    sentence = (
        "This file was removed: what it hung on ended without a payout, days ago. Its size and hash stand "
        "where it is listed."
    )


class Conflict(ClorpError):
    """The state does not allow it (any more)."""

    code = "conflict"
    sentence = "The state of the drop does not allow this."


class DropNotOpen(Conflict):
    """The drop is over or not yet open."""

    code = "drop_not_open"
    sentence = "This drop is not open."


class WindowClosed(Conflict):
    """Too late, by the database's clock."""

    code = "window_closed"
    sentence = "The window of this drop has closed."


class ArenaFull(Conflict):
    """Every slot is taken."""

    code = "arena_full"
    sentence = "Every slot of this drop is taken. A slot frees itself when a claim runs out."


class CancellationRequested(Conflict):
    """The sender is calling the drop off; nobody new comes in."""

    code = "cancellation_requested"
    sentence = "The sender has asked to cancel this drop; it takes no new competitors."


class DropEnded(Conflict):
    """Paying for a drop that is already over."""

    code = "drop_ended"
    sentence = "This drop has already ended."


class AlreadySubmitted(Conflict):
    """Giving back a slot that has an entry in it."""

    code = "already_submitted"
    sentence = "You have handed in an entry here; its slot cannot be given back."


class AmbiguousId(Conflict):
    """The beginning of an id that several things have; `ids` names some of them."""

    code = "ambiguous_id"
    sentence = "Several ids begin so. Write more of the id."


class OtherAgent(Conflict):
    """A revision names another agent than the entry has; `agent_id` is the entry's."""

    code = "other_agent"
    sentence = "Your entry competes as another agent. Leave agentId out, or name that one."


class NotDecided(Conflict):
    """Asking how a drop was judged that was not."""

    code = "not_decided"
    sentence = "This drop has no verdict: it is not decided yet, or ended without one."


class IdempotencyInProgress(Conflict):
    """The first request with this Idempotency-Key has no answer yet."""

    code = "idempotency_in_progress"
    sentence = "A request with this Idempotency-Key is still running; ask again in a moment."


class NameTaken(Conflict):
    """Names of users and agents are unique over the whole market, look-alikes included."""

    code = "name_taken"
    sentence = "That name is taken: it looks like another name here. Choose another."


class AgentNameTaken(Conflict):
    """Names of users and agents are unique over the whole market, look-alikes included."""

    code = "agent_name_taken"
    sentence = "That name is taken: it looks like another name here. Choose another."


class AgentIsDefault(Conflict):
    """A user always has a default agent."""

    code = "agent_is_default"
    sentence = "This is your default agent. Make another one the default first."


class AgentBusy(Conflict):
    """An agent that is at work is not deleted."""

    code = "agent_busy"
    sentence = "This agent holds a claim or has an entry in a drop that has not ended. Delete it afterwards."


class TooManyAgents(Conflict):
    """The caller has as many agents as allowed; `limit` says how many."""

    code = "too_many_agents"
    sentence = "You have as many agents as allowed. Delete one first."


class TooManyNames(Conflict):
    """The caller holds as many names as allowed, those included that competed; `limit` says how many."""

    code = "too_many_names"
    sentence = (
        "You hold as many names as allowed: those that competed stay yours. Take one of them again, or "
        "delete an agent that never competed."
    )


class KeyRotated(Conflict):
    """A key is rotated once."""

    code = "key_rotated"
    sentence = "This key was rotated already. Rotate its successor, or make a new key."


class LastKey(Conflict):
    """Revoking it would lock its user out of something."""

    code = "last_key"
    sentence = "No other key of yours can do what this one can. Rotate it, or make another key first."


class TooManyKeys(Conflict):
    """The caller has as many live keys as allowed; `limit` says how many."""

    code = "too_many_keys"
    sentence = "You have as many keys as allowed. Revoke one first, or rotate one without overlap."


class PayoutAccountMissing(Conflict):
    """Nothing is known yet that money could be paid out to; `onboarding_url` is where that is changed."""

    code = "payout_account_missing"
    sentence = "You have no account to be paid out to yet. Open `onboarding_url`, then withdraw again."


class PaymentMethodMissing(Conflict):
    """Nothing is known yet that could be charged without its owner."""

    code = "payment_method_missing"
    sentence = "No card of yours is saved. Top up once with `save_card`, then switch this on."


class TooMany(ClorpError):
    """Slow down; `retry_after` says how many seconds."""

    code = "too_many_requests"
    sentence = "Too many requests."

    def __init__(self, sentence: str | None = None, *, retry_after: int, **details: Any) -> None:
        super().__init__(sentence, retry_after=retry_after, **details)


class TooManyOpenClaims(TooMany):
    """The caller holds as many idle claims as allowed."""

    code = "too_many_open_claims"
    sentence = "You hold as many claims without an entry as allowed. Submit to one of them first."


class ClaimCooldown(TooMany):
    """The caller let several claims run out, or released them late."""

    code = "claim_cooldown"
    sentence = (
        "Several of your claims ran out or were released late, without an entry. "
        "You can claim again after a pause."
    )


class TooManyPending(TooMany):
    """The sender already has as many unpaid drops as allowed."""

    code = "too_many_pending"
    sentence = "Too many of your drops wait for payment. Pay or cancel one of them first."


class TooManyPayments(TooMany):
    """The caller has left as many checkouts unpaid as allowed."""

    code = "too_many_payments"
    sentence = "Too many of your top-ups wait to be paid. Pay one of them, or let them expire."


class RevisionCooldown(TooMany):
    """Revisions of one entry come too fast."""

    code = "revision_cooldown"
    sentence = "You revised this entry a moment ago; wait before the next revision."


class RateLimited(TooMany):
    """More requests in a while than one user or address may send; `RateLimit-Policy` has the numbers."""

    code = "rate_limited"
    sentence = "You ask too often. Wait for `retry_after` seconds, and watch the header RateLimit."


class UploadQuota(TooMany):
    """The caller keeps as many files beside those of paid drops as allowed."""

    code = "upload_quota"
    sentence = (
        "You keep as many files beside those of paid drops as allowed. Upload more after `retry_after` "
        "seconds, when the first of them is removed."
    )


class Unavailable(ClorpError):
    """Something the server needs is missing or away; `cause` says to its operator what."""

    code = "unavailable"
    sentence = "The service is not available at the moment."

    def __init__(self, sentence: str | None = None, *, cause: str = "", **details: Any) -> None:
        super().__init__(sentence, **details)
        self.cause = cause


class FileLost(Unavailable):
    """The bytes of an upload are not in the store."""

    code = "file_lost"
    sentence = "The content of this file is missing from the server's store; tell its operator."


class MixedMoney(Unavailable):
    """The rail is one for play money and the books hold real money, or the other way round."""

    code = "mixed_money"
    sentence = "Play money and real money do not mix; tell the operator of this server."


class OutcomeUnknown(Unavailable):
    """The database was lost in the very moment of the commit, and cannot be asked whether it happened."""

    code = "outcome_unknown"
    sentence = (
        "The database was lost as it was about to do this, and nobody can say yet whether it did. With an "
        "Idempotency-Key, send the same request again; without one, look at your lists first."
    )

    def __init__(self) -> None:
        super().__init__(retry_after=5)
