"""Models for the judge, scripted and live."""
