"""The HTTP door: turns a request into one call of `models` and the result into JSON."""
