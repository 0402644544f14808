"""Facets of a document as SQL of short texts, which indexing.py turns into numbers."""

from __future__ import annotations

from models.search import Facet

SEPARATOR = "\x1f"
"""Between the parts of a token: no text that was checked has it."""
OFFERS_MAX = 400
"""Offers of a title that are facets of it."""

# In whole units of the asset; the last has no end.
_PRICES = ((0, 10), (10, 25), (25, 50), (50, 100), (100, 250), (250, 1_000), (1_000, None))


def token(facet: Facet, value: str, label: str | None = None) -> str:
    """SQL of one token, of two expressions of text; null where a value is. The label is the value
    where none is given."""
    shown = value if label is None else label
    return f"'{facet}' || chr(31) || ({value}) || chr(31) || ({shown})"


def price_token(price_minor: str, asset: str) -> str:
    """SQL of the PRICE token: `USD/25-50`, by asset and range."""
    amount = f"({price_minor}) / CASE {asset} WHEN 'JPY' THEN 1 WHEN 'SPARK' THEN 1000000.0"
    amount += " ELSE 100.0 END"
    ranges = " ".join(
        f"WHEN {amount} < {high} THEN '{low}-{high}'" if high else f"ELSE '{low}-'"
        for low, high in _PRICES
    )
    labels = " ".join(
        f"WHEN {amount} < {high} THEN '{low} to {high} '" if high else f"ELSE '{low} and more '"
        for low, high in _PRICES
    )
    value = f"{asset} || '/' || CASE {ranges} END"
    return (
        f"CASE WHEN {price_minor} IS NOT NULL THEN "
        + token("PRICE", value, f"CASE {labels} END || {asset}")
        + " END"
    )


def tag_tokens(tags: str) -> str:
    """SQL of an array of TAG tokens, of an array of texts."""
    return f"ARRAY(SELECT {token('TAG', 'lower(tag)', 'tag')} FROM unnest({tags}) AS tag)"
