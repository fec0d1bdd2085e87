"""Money as people read it."""


def dollars(cents: int) -> str:
    """`123456` as `$1,234.56`."""
    return f"{'-' if cents < 0 else ''}${abs(cents) / 100:,.2f}"
