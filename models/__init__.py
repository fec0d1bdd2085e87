"""The marketplace itself: every rule, row and cent, callable with nothing but a database session."""
