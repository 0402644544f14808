"""Embedders: the small model that `make semantic` installs, and any function as one. How the model
computes stands in adapters/minilm.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.ports import Embedder
from core.preflight import ModelNotReady, semantic_installed
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class FunctionEmbedder:
    """Any function from texts to vectors of length 1 as an embedder."""

    name: str
    dimension: int
    call: Callable[[Sequence[str]], Sequence[Sequence[float]]]

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """What the function says. Raises `ValueError` where it says something else than one vector
        of the dimension for each text."""
        vectors = self.call(texts)
        if len(vectors) != len(texts) or any(len(vector) != self.dimension for vector in vectors):
            raise ValueError(f"{self.name} must give a vector of {self.dimension} for each text")
        return vectors


def open_embedder(settings: Settings) -> Embedder | None:
    """The model, where the settings want one; it is read from disk at its first use. Raises
    `ModelNotReady` where it is wanted and not installed."""
    if not settings.semantic:
        return None
    if not semantic_installed():
        raise ModelNotReady("MELA_SEMANTIC needs a model: run make semantic, or unset it")
    # Loaded here: it brings NumPy, which takes longer than most commands.
    from adapters.minilm import MiniLM

    return MiniLM()
