"""What a domain's loaders are written with, and what runs them: one place to import from."""

from __future__ import annotations

from loaders.batching import MAX_BATCH, Loaders
from loaders.declaring import (
    Computed,
    CountBy,
    Loader,
    ManyBy,
    OneBy,
    PageBy,
    Visible,
    count_by,
    depends_on_viewer,
    many_by,
    one_by,
    page_by,
)
from loaders.running import read_page

__all__ = [
    "MAX_BATCH",
    "Computed",
    "CountBy",
    "Loader",
    "Loaders",
    "ManyBy",
    "OneBy",
    "PageBy",
    "Visible",
    "count_by",
    "depends_on_viewer",
    "many_by",
    "one_by",
    "page_by",
    "read_page",
]
