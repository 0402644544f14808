// node codegen.mjs FOLDER: TypeScript for FOLDER/operations from FOLDER/introspection.json, with
// scalars as `mela schema export --format scalars` tells them. Prints how many operations there are.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from '@graphql-codegen/cli';
import { loadDocuments } from '@graphql-tools/load';
import { GraphQLFileLoader } from '@graphql-tools/graphql-file-loader';

const folder = process.argv[2];
const documents = join(folder, 'operations/**/*.graphql');
const config = {
  strictScalars: true,
  scalars: JSON.parse(readFileSync(join(folder, 'scalars.json'), 'utf8')),
  useTypeImports: true,
  enumsAsTypes: true,
};
await generate(
  {
    cwd: import.meta.dirname,
    silent: true,
    schema: join(folder, 'introspection.json'),
    documents,
    generates: {
      // Files of their own: both plugins write the types that operations' variables have.
      [join(folder, 'schema.ts')]: { plugins: ['typescript'], config },
      [join(folder, 'operations.ts')]: {
        plugins: ['typescript-operations', 'typed-document-node'],
        config,
      },
    },
  },
  true,
);
const loaded = await loadDocuments(documents, { loaders: [new GraphQLFileLoader()] });
const kinds = loaded.flatMap((file) => file.document.definitions.map((each) => each.kind));
process.stdout.write(`${kinds.filter((kind) => kind === 'OperationDefinition').length}\n`);
