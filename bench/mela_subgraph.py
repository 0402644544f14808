"""Mela as the subgraph of all its domains, as a gateway has it: what answers `_entities`. Takes as
many references at once as the bench asks for."""

from __future__ import annotations

import sys

import uvicorn

from app import create_app
from bench.workloads import REFERENCES
from core.settings import Settings
from core.tokens import ensure_keys
from schema.build import DOMAINS
from schema.projection import DomainSchema
from web.ports import uvicorn_options


def serve(port: int) -> None:
    """Until SIGTERM."""
    settings = Settings(jobs=False, demo=False, port=port)
    if settings.signing_keys_dir is not None:
        ensure_keys(settings.signing_keys_dir, settings.signing_algorithm)
    # The limit of a list of references is a parameter of the schema, which no setting sets.
    defaults = DomainSchema.__init__.__kwdefaults__
    assert defaults is not None
    defaults["max_entities"] = max(defaults["max_entities"], REFERENCES)
    options = {"host": "127.0.0.1", **uvicorn_options(settings), "port": port}
    uvicorn.run(create_app(settings, DOMAINS), **options)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
