import { Types } from 'mongoose';
import type { AnnouncedStatus } from '../../domain/webhooks.ts';
import type { Announcement } from '../ImageGeneration.ts';

/** One status change, as the write that makes it leaves it behind. */
export function announcement(status: AnnouncedStatus, now: Date): Announcement {
  return { id: new Types.ObjectId(), status, at: now };
}

/** What a pipeline sets besides, so that callers will be told of what it does. */
export function announced(status: AnnouncedStatus, now: Date) {
  const open = { $ifNull: ['$announcements', []] };
  return { announcements: { $concatArrays: [open, [{ $literal: announcement(status, now) }]] } };
}

/**
 * Takes the announcements with these ids away, also where that has been done. Without any, the field is gone, and with it the
 * document's place in the index.
 */
export function withoutAnnouncements(ids: readonly Types.ObjectId[]) {
  const open = { $ifNull: ['$announcements', []] };
  const left = { $filter: { input: open, as: 'each', cond: { $not: [{ $in: ['$$each.id', [...ids]] }] } } };
  return [
    { $set: { announcements: left } },
    { $set: { announcements: { $cond: [{ $eq: ['$announcements', []] }, '$$REMOVE', '$announcements'] } } },
  ];
}
