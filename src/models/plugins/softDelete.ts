import mongoose, { type Aggregate, type AnyBulkWriteOperation, type Model, type Query, type Schema } from 'mongoose';
import type { Clock } from '../../domain/clock.ts';
import { joiningKept } from './pipelines.ts';

/** What every soft-deletable document carries. */
export interface SoftDeletable {
  isDeleted: boolean;
  deletedAt?: Date;
}

declare module 'mongoose' {
  interface QueryOptions {
    /** Includes soft-deleted documents in this query. */
    withDeleted?: boolean;
  }
  interface AggregateOptions {
    /** Includes soft-deleted documents in this aggregation. */
    withDeleted?: boolean;
  }
  interface MongooseBulkWriteOptions {
    /** Includes soft-deleted documents in these writes. */
    withDeleted?: boolean;
  }
}

const FILTERED_OPERATIONS = [
  'find',
  'findOne',
  'findOneAndUpdate',
  'findOneAndReplace',
  'findOneAndDelete',
  'countDocuments',
  'distinct',
  'updateOne',
  'updateMany',
  'replaceOne',
  'deleteOne',
  'deleteMany',
] as const;

/**
 * Adds `isDeleted` and `deletedAt`, and leaves deleted documents out of every ordinary find, count, distinct, update, delete,
 * bulk write and aggregate, and out of what an aggregate joins. `{withDeleted: true}` in the options, or a filter that names
 * `isDeleted` at its top, includes them. `save` writes the document that was read, deleted or not.
 */
export function softDelete(schema: Schema): void {
  schema.add({ isDeleted: { type: Boolean, default: false, required: true }, deletedAt: { type: Date } });

  schema.pre(
    [...FILTERED_OPERATIONS],
    { query: true, document: false },
    function leaveDeletedOut(this: Query<unknown, unknown>) {
      if (this.getOptions().withDeleted || 'isDeleted' in this.getFilter()) return;
      this.where({ isDeleted: false });
    },
  );

  // The server's estimate comes from what it knows of a collection, and takes no filter: the count is exact instead.
  schema.pre('estimatedDocumentCount', async function countKept(this: Query<unknown, unknown>) {
    if (this.getOptions().withDeleted) return;
    throw mongoose.skipMiddlewareFunction(await this.model.countDocuments());
  });

  schema.pre('bulkWrite', function leaveDeletedOut(writes, options) {
    // `bulkSave` sends its documents by the same way, already cast.
    if (options && ('_skipCastBulkWrite' in options || options.withDeleted)) return;
    writes.splice(0, writes.length, ...writes.map(withoutDeleted));
  });

  schema.pre('aggregate', function leaveDeletedOut(this: Aggregate<unknown>) {
    if (this.options.withDeleted) return;
    const stages: unknown[] = this.pipeline();
    const filtered = softDeletableCollections(this.model());
    stages.splice(
      0,
      stages.length,
      { $match: { isDeleted: false } },
      ...joiningKept(stages, (name) => filtered.has(name)),
    );
  });
}

function withoutDeleted(write: AnyBulkWriteOperation): AnyBulkWriteOperation {
  if ('updateOne' in write) return { updateOne: { ...write.updateOne, filter: kept(write.updateOne.filter) } };
  if ('updateMany' in write) return { updateMany: { ...write.updateMany, filter: kept(write.updateMany.filter) } };
  if ('replaceOne' in write) return { replaceOne: { ...write.replaceOne, filter: kept(write.replaceOne.filter) } };
  if ('deleteOne' in write) return { deleteOne: { ...write.deleteOne, filter: kept(write.deleteOne.filter) } };
  if ('deleteMany' in write) return { deleteMany: { ...write.deleteMany, filter: kept(write.deleteMany.filter) } };
  return write;
}

function kept<Filter extends object>(filter: Filter): Filter {
  return 'isDeleted' in filter ? filter : { ...filter, isDeleted: false };
}

function softDeletableCollections({ db }: Model<unknown>): ReadonlySet<string> {
  const models = Object.values(db.models).filter(({ schema }) => schema.path('isDeleted') !== undefined);
  return new Set(models.map(({ collection }) => collection.collectionName));
}

/** The update that marks a document deleted. */
export function deletion(clock: Clock): { isDeleted: true; deletedAt: Date } {
  return { isDeleted: true, deletedAt: clock.now() };
}
