// Composes subgraphs into a supergraph: stdin {"users": {"url": "...", "sdl": "..."}, ...}, stdout the
// supergraph's SDL, stderr and exit code 1 where they do not fit together.
import { readFileSync } from "node:fs";
import { composeServices, compositionHasErrors } from "@theguild/federation-composition";
import { parse } from "graphql";

const given = Object.entries(JSON.parse(readFileSync(0, "utf8")));
const services = given.map(([name, { url, sdl }]) => ({ name, url, typeDefs: parse(sdl) }));
const result = composeServices(services);
if (compositionHasErrors(result)) {
  for (const error of result.errors) console.error(String(error));
  process.exit(1);
}
process.stdout.write(result.supergraphSdl.trimEnd() + "\n");
