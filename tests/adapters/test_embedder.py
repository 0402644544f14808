"""Embedders: any function as one, and the model that `make semantic` installs, against the figures
its makers publish."""

import json
import struct

import numpy as np
import pytest

from adapters.embedder import FunctionEmbedder, open_embedder
from adapters.minilm import _gelu, _together, read_safetensors
from core.preflight import ModelNotReady, semantic_installed
from core.settings import Settings

installed = pytest.mark.skipif(
    not semantic_installed(), reason="the model is not installed: run make semantic"
)


def test_any_function_is_an_embedder_if_it_keeps_its_word():
    embedder = FunctionEmbedder("lengths-1", 2, lambda texts: [[len(t), 1.0] for t in texts])
    assert embedder.embed(["a", "abc"]) == [[1, 1.0], [3, 1.0]]
    assert embedder.embed([]) == []
    for broken in (lambda texts: [], lambda texts: [[1.0]] * len(texts)):
        with pytest.raises(ValueError, match="vector of 2 for each text"):
            FunctionEmbedder("broken-1", 2, broken).embed(["a"])


def test_there_is_no_model_unless_it_is_asked_for(monkeypatch):
    assert open_embedder(Settings(profile="test")) is None
    monkeypatch.setattr("core.preflight.find_spec", lambda name: None)
    with pytest.raises(ModelNotReady, match="run make semantic"):
        open_embedder(Settings(profile="test", semantic=True))


def test_weights_are_read_as_the_format_says(tmp_path):
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [8, 24]},
        "ids": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]},
    }
    text = json.dumps(header).encode()
    numbers = struct.pack("<q4f", 9, 1.0, 2.0, 3.0, 4.5)
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + numbers)
    weights = read_safetensors(path)
    assert weights.keys() == {"a"}
    assert weights["a"].tolist() == [[1.0, 2.0], [3.0, 4.5]]


def test_the_activation_is_gelu():
    from scipy.special import erf

    x = np.linspace(-12, 12, 4_000).reshape(100, 40)
    exact = x * 0.5 * (1 + erf(x / np.sqrt(2)))
    assert np.abs(_gelu(x.astype(np.float32)) - exact).max() < 2e-6


def test_texts_are_computed_together_up_to_so_many_tokens():
    assert _together([]) == []
    assert _together([4_000, 90, 10, 256, 256]) == [[0, 1], [2, 3, 4]]


@installed
def test_the_model_gives_what_its_makers_publish():
    model = open_embedder(Settings(profile="test", semantic=True))
    sentences = [
        "The weather is lovely today.",
        "It's so sunny outside!",
        "He drove to the stadium.",
    ]
    vectors = np.array(model.embed(sentences))
    assert vectors.shape == (3, model.dimension)
    # sbert.net, "Quickstart": similarities of these three, to four places.
    published = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    assert np.abs(vectors @ vectors.T - published).max() < 1e-4


@installed
def test_a_text_has_the_same_vector_alone_and_among_others():
    model = open_embedder(Settings(profile="test", semantic=True))
    texts = ["", "a", "Ñandú 東京 \0 ok", "long " * 5_000, "crime in Boston"]
    together, alone = model.embed(texts), [model.embed([text])[0] for text in texts]
    assert np.abs(np.array(together) - np.array(alone)).max() < 1e-5
    assert np.allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    # Cut at 256 tokens: what stands behind them changes nothing.
    assert np.allclose(model.embed(["long " * 300]), model.embed(["long " * 300 + "zebra"]))
