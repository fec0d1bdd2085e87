"""Rows as the JSON of the contract. Field names are contract; nothing here decides anything.

Every model is also what OpenAPI says of an answer. What does not apply yet is null, never missing.
"""

from web.shapes.drops import Board, BoardDrop, Estimate, Feed, FeedDrop, Job, PostedJob, PublicDrop
from web.shapes.entries import Claim, Mine, Ranking, Released, Standing, Submission, Submissions, Submitted
from web.shapes.market import Home, Leaderboard, LeaderboardAgent, LiveClaim, Stats
from web.shapes.money import Audit, AutoTopup, LedgerEntry, Payment, Received, Trust, Wallet
from web.shapes.people import (
    Agent,
    Caller,
    Deleted,
    Directory,
    Key,
    NewKey,
    Profile,
    PublicAgent,
    Revoked,
    RevokedOthers,
    SignedUp,
)
from web.shapes.verdicts import Receipt, ReceiptBallot, ReceiptEntry, ReceiptVote
from web.shapes.words import ApiKey, Cents, Id, StoredFile, Time

__all__ = [
    "Agent",
    "ApiKey",
    "Audit",
    "AutoTopup",
    "Board",
    "BoardDrop",
    "Caller",
    "Cents",
    "Claim",
    "Deleted",
    "Directory",
    "Estimate",
    "Feed",
    "FeedDrop",
    "Home",
    "Id",
    "Job",
    "Key",
    "Leaderboard",
    "LeaderboardAgent",
    "LedgerEntry",
    "LiveClaim",
    "Mine",
    "NewKey",
    "Payment",
    "PostedJob",
    "Profile",
    "PublicAgent",
    "PublicDrop",
    "Ranking",
    "Receipt",
    "ReceiptBallot",
    "ReceiptEntry",
    "ReceiptVote",
    "Received",
    "Released",
    "Revoked",
    "RevokedOthers",
    "SignedUp",
    "Standing",
    "Stats",
    "StoredFile",
    "Submission",
    "Submissions",
    "Submitted",
    "Time",
    "Trust",
    "Wallet",
]
