"""From what a request names to the text that runs: the same on every transport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphql import GraphQLError, GraphQLSchema

from execution.registered import RegisteredTexts
from execution.store import DocumentStore
from execution.trusted import (
    DocumentNotFound,
    Manifest,
    NothingRegistered,
    NotTrusted,
    TrustedDocumentsRefused,
    check_hash,
    read_manifest,
    reference_of,
)


@dataclass(slots=True)
class Texts:
    """The texts of one schema that requests may name; `store` prepares them."""

    store: DocumentStore
    manifest: Manifest = field(default_factory=Manifest)
    registered: RegisteredTexts = field(default_factory=RegisteredTexts)

    def trust(self, schema: GraphQLSchema, path: Path, *, only: bool) -> None:
        """Read a manifest and prepare its documents, to be kept as long as this lives; `only`: and
        run no others from now on. Raises `TrustedDocumentsRefused`, naming the document that is
        not valid here."""
        manifest = read_manifest(path)
        for id_, text in manifest.by_id.items():
            try:
                errors = self.store.pin(schema, text)
            except GraphQLError as error:  # it does not parse
                errors = [error]
            if errors:
                said = f"the document {id_[:100]} cannot run: {errors[0].message}"
                raise TrustedDocumentsRefused(f"MELA_TRUSTED_DOCUMENTS={path}: {said}")
        self.manifest = manifest
        self.store.pinned_only = only

    async def text_of(
        self,
        schema: GraphQLSchema,
        query: str | None,
        extensions: Mapping[str, Any] | None,
        document_id: str | None = None,
    ) -> str | None:
        """The text that a request asks to run, which it sends or names; None where it does neither.
        A text that comes with its hash is registered, if it may run.

        Raises `DocumentNotFound`, `NothingRegistered` where no text ever is, `NotTrusted` for one
        that would have to be where none may, and `BadUserInput` for a reference that is none.
        """
        reference = reference_of(query, extensions, document_id)
        if reference is None:
            return query
        if query:
            check_hash(query, reference)
            await self._register(schema, reference.name, query)
            return query
        text = self.manifest.find(reference.name)
        if text is None and reference.is_hash and not self.store.pinned_only:
            text = await self.registered.find(reference.name)
        if text is not None:
            return text
        if document_id is None and self.registered.maximum == 0:
            raise NothingRegistered
        raise DocumentNotFound

    async def _register(self, schema: GraphQLSchema, name: str, text: str) -> None:
        if name in self.manifest.by_hash:
            return
        if self.store.pinned_only:
            raise NotTrusted
        try:
            prepared = await self.store.prepare_aside(schema, text)
        except GraphQLError:
            return  # told when it is run
        if not prepared.errors:
            await self.registered.keep(name, text)
