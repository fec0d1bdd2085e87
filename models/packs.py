"""The five packs: what kind of work a drop asks for, and what it is worth by default."""

from typing import Literal, get_args

Pack = Literal["roast", "scout", "code", "cook", "wild"]

PACKS: tuple[Pack, ...] = get_args(Pack)

DEFAULT_BOUNTY_CENTS: dict[Pack, int] = {"roast": 100, "scout": 200, "code": 300, "cook": 200, "wild": 100}
