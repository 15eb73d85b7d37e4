import type { Aggregate, PipelineStage, Query, Schema } from 'mongoose';
import type { Clock } from '../../domain/clock.ts';

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
 * Adds `isDeleted` and `deletedAt`, and leaves deleted documents out of every ordinary find, count, distinct, update, delete
 * and aggregate. `{withDeleted: true}` in the options, or a filter that names `isDeleted` itself, includes them.
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

  schema.pre('aggregate', function leaveDeletedOut(this: Aggregate<unknown>) {
    if (this.options.withDeleted) return;
    const stages: PipelineStage[] = this.pipeline();
    stages.unshift({ $match: { isDeleted: false } });
  });
}

/** The update that marks a document deleted. */
export function deletion(clock: Clock): { isDeleted: true; deletedAt: Date } {
  return { isDeleted: true, deletedAt: clock.now() };
}
