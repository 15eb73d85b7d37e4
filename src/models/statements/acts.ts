import { Types } from 'mongoose';
import type { Act } from '../../domain/audit.ts';

/** An act that the audit trail does not have yet. It stands in the document by the same write that did it. */
export interface OpenAct extends Act {
  id: Types.ObjectId;
  at: Date;
}

export function openAct(act: Act, now: Date): OpenAct {
  return { ...act, id: new Types.ObjectId(), at: now };
}

/** What a statement sets besides, so that what it does will be in the audit trail. */
export function withAct(act: Act, now: Date) {
  return { openActs: { $concatArrays: [{ $ifNull: ['$openActs', []] }, [{ $literal: openAct(act, now) }]] } };
}

/**
 * Takes the acts with these ids away, also where that has been done. Without any, the field is gone, and with it the document's place
 * in the index.
 */
export function withoutActs(ids: readonly Types.ObjectId[]) {
  const open = { $ifNull: ['$openActs', []] };
  const left = { $filter: { input: open, as: 'act', cond: { $not: [{ $in: ['$$act.id', [...ids]] }] } } };
  return [
    { $set: { openActs: left } },
    { $set: { openActs: { $cond: [{ $eq: ['$openActs', []] }, '$$REMOVE', '$openActs'] } } },
  ];
}
