import { Doc } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import type { Scan } from '../plan/scan.ts';
import { conflictingValues } from '../storage/duplicate-key.ts';

/** What `returnKey` and `showRecordId` make of the results (manual: reference/command/find). */
export interface Display {
  /** Notes where a document was found, while it is known. */
  note(doc: Doc, scan: Scan): void;
  show(doc: Doc, projected: Doc): Doc;
}

/** `undefined` when the results are to be shown as they are. */
export function displayOf(command: Doc): Display | undefined {
  const returnsKey = command.get('returnKey') === true;
  const showsRecordId = command.get('showRecordId') === true;
  if (!returnsKey && !showsRecordId) return undefined;
  const found = new Map<Doc, { recordId: number; key: Doc }>();
  return {
    note(doc, { recordId, entry }) {
      const key =
        !returnsKey || entry === undefined
          ? Doc.EMPTY
          : new Doc(entry.index.spec.key.keys, conflictingValues(entry.index, doc, entry.index.keyOf(entry.key)));
      found.set(doc, { recordId, key });
    },
    show(doc, projected) {
      const { recordId, key } = found.get(doc) ?? { recordId: 0, key: Doc.EMPTY };
      found.delete(doc);
      // The key takes the place of the whole result, the record id's as well.
      return returnsKey ? key : projected.with('$recordId', BigInt(recordId));
    },
  };
}

const NOT_IN_PIPELINES = ['returnKey', 'showRecordId', 'min', 'max'];

/** A query of a view becomes a pipeline, which has no words for these (manual: core/views, "Supported Operations"). */
export function refuseOnView(command: Doc): void {
  for (const option of NOT_IN_PIPELINES) {
    const value = command.get(option);
    if (value === undefined || value === false || (value instanceof Doc && value.size === 0)) continue;
    throw new MongoError(ErrorCode.InvalidPipelineOperator, `Option ${option} not supported in aggregation.`);
  }
}
