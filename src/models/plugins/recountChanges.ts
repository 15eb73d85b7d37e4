import type { AnyBulkWriteOperation, Query, Schema, UpdateQuery, UpdateWithAggregationPipeline } from 'mongoose';

const UPDATES = ['updateOne', 'updateMany', 'findOneAndUpdate'] as const;
const REPLACEMENTS = ['replaceOne', 'findOneAndReplace'] as const;

/**
 * Takes `counted` away with every change that is made through the model, so that the rollups count the generation again.
 * Statements that are sent to the driver's collection say so themselves.
 */
export function recountChanges(schema: Schema): void {
  schema.pre('save', function recount() {
    if (!this.isNew && this.isModified()) this.set('counted', undefined);
  });

  schema.pre([...UPDATES], { query: true, document: false }, function recount(this: Query<unknown, unknown>) {
    const update = this.getUpdate();
    if (update) this.setUpdate(uncounting(update));
  });

  schema.pre([...REPLACEMENTS], { query: true, document: false }, function recount(this: Query<unknown, unknown>) {
    const replacement = this.getUpdate();
    if (replacement && !Array.isArray(replacement)) this.setUpdate(uncounted(replacement));
  });

  schema.pre('bulkWrite', function recount(writes, options) {
    // `bulkSave` has asked `save` above.
    if (options && '_skipCastBulkWrite' in options) return;
    writes.splice(0, writes.length, ...writes.map(recounting));
  });
}

function recounting(write: AnyBulkWriteOperation): AnyBulkWriteOperation {
  if ('updateOne' in write) return { updateOne: { ...write.updateOne, update: uncounting(write.updateOne.update) } };
  if ('updateMany' in write)
    return { updateMany: { ...write.updateMany, update: uncounting(write.updateMany.update) } };
  if ('replaceOne' in write) {
    return { replaceOne: { ...write.replaceOne, replacement: uncounted(write.replaceOne.replacement) } };
  }
  return write;
}

type Update = UpdateQuery<unknown> | UpdateWithAggregationPipeline;

/** The update, or pipeline, that takes the mark away too. */
function uncounting(update: Update): Update {
  if (Array.isArray(update)) return [...update, { $unset: 'counted' }];
  return { ...update, $unset: { ...update.$unset, counted: 1 } };
}

/** The document without the mark. */
function uncounted(document: Record<string, unknown>): Record<string, unknown> {
  const { counted: _, ...rest } = document;
  return rest;
}
