// Composes subgraphs, several sets in one run, with both public composers.
//
// stdin:  {"<set>": [{"name": "users", "sdl": "...", "url": "..." (or none)}, ...], ...}
// stdout: {"<set>": {"apollo": Composed, "guild": Composed}, ...} where
//         Composed = {"errors": [text], "warnings": [text], "api": sdl, "supergraph": sdl}
import { readFileSync } from "node:fs";
import apollo from "@apollo/composition";
import internals from "@apollo/federation-internals";
import * as guild from "@theguild/federation-composition";
import { parse, printSchema } from "graphql";

const WARN = 60; // @apollo/composition's HintLevel.WARN

function services(subgraphs) {
  return subgraphs.map(({ name, sdl, url }) => ({
    name,
    url: url ?? `http://${name}.invalid/graphql`,
    typeDefs: parse(sdl),
  }));
}

function withApollo(subgraphs) {
  const result = apollo.composeServices(services(subgraphs));
  if (result.errors) {
    return { errors: result.errors.map(String), warnings: [], api: null, supergraph: null };
  }
  // As a router reads it: without this, `@authenticated` is a feature nobody supports.
  const supportedFeatures = internals.ROUTER_SUPPORTED_SUPERGRAPH_FEATURES;
  const api = internals.Supergraph.build(result.supergraphSdl, { supportedFeatures }).apiSchema();
  return {
    errors: [],
    warnings: result.hints
      .filter((hint) => hint.definition.level.value >= WARN)
      .map((hint) => `${hint.definition.code}: ${hint.message}`),
    api: printSchema(api.toGraphQLJSSchema()),
    supergraph: result.supergraphSdl,
  };
}

function withGuild(subgraphs) {
  const result = guild.composeServices(services(subgraphs));
  const errors = guild.compositionHasErrors(result) ? result.errors.map(String) : [];
  return {
    errors,
    warnings: [],
    api: result.publicSdl ?? null,
    supergraph: result.supergraphSdl ?? null,
  };
}

// A composer that throws has refused too, and the other may still answer.
function attempt(composer, subgraphs) {
  try {
    return composer(subgraphs);
  } catch (error) {
    return { errors: [String(error.stack)], warnings: [], api: null, supergraph: null };
  }
}

const sets = JSON.parse(readFileSync(0, "utf8"));
const composed = Object.fromEntries(
  Object.entries(sets).map(([name, subgraphs]) => [
    name,
    { apollo: attempt(withApollo, subgraphs), guild: attempt(withGuild, subgraphs) },
  ]),
);
process.stdout.write(JSON.stringify(composed));
