"""The page beside a local Lambda: events are sent from it, and what happens is seen live."""
