"""What acts of viewers say of their tastes, and the bounds of what is kept of it: numbers that the
model, its trials and the statements of recommendations share."""

from __future__ import annotations

NEIGHBOURS = 50
"""Titles that are kept of those which go with one."""

LIKED_FROM, MIXED_FROM = 0.7, 0.5
"""Parts of the best rating from which it says liked, and from which it says neither."""
LIKED, FINISHED, WANTED, MIXED = 1.0, 0.8, 0.6, 0.4
"""Weights of acts: rated well, watched to the end, put on the watchlist, rated neither well nor
badly (one who watches war films half-heartedly still watches war films). A rating decides where
there is one; a bad one says nothing good."""
FADING = 5.0
"""So many acts back, one counts half for what its viewer wants next."""
ACTS_MAX = 500
"""Newest acts of a person that count."""
