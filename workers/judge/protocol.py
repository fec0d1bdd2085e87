"""What every judge is: something that casts a ballot on a brief."""

from typing import Protocol

from models.grades import Brief, Opinion


class Judge(Protocol):
    """A judge. Where it may fail or take long, the caller holds no transaction open."""

    @property
    def name(self) -> str:
        """Name and version, as receipts show it: `local/2`."""

    def ballot(self, brief: Brief) -> dict[str, Opinion]:
        """One opinion for each label of the brief."""
