"""The Celery door: turns a message into one call of `models`, and keeps the judges."""
