import type { Query, Schema } from 'mongoose';

const UPDATES = ['updateOne', 'updateMany', 'findOneAndUpdate'] as const;

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
    if (Array.isArray(update)) update.push({ $unset: 'counted' });
    else if (update) this.setUpdate({ ...update, $unset: { ...update.$unset, counted: 1 } });
  });
}
