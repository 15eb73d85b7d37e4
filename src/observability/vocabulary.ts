import type { Connection, Schema } from 'mongoose';

/** The segments of all paths in the schemas of a connection's models: the names of fields that are the product's own. */
export function vocabularyOf(connection: Connection): ReadonlySet<string> {
  const segments = new Set(['_id']);
  for (const model of Object.values(connection.models)) collect(model.schema, segments);
  return segments;
}

function collect(schema: Schema, segments: Set<string>): void {
  for (const path of Object.keys(schema.paths)) {
    for (const segment of path.split('.')) segments.add(segment);
  }
  for (const { schema: child } of schema.childSchemas) collect(child, segments);
}

/** The names of the collections that models live in. */
export function collectionsOf(connection: Connection): string[] {
  return Object.values(connection.models).map((model) => model.collection.collectionName);
}
