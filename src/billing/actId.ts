import { Types } from 'mongoose';
import { fingerprintOf } from '../domain/idempotency.ts';

/** The id of a line of the audit trail that tells of one deed at Stripe: the same for whoever tells of it, and however often. */
export async function actIdOf(...deed: string[]): Promise<Types.ObjectId> {
  const text = await fingerprintOf(deed.join(':'));
  return new Types.ObjectId(Uint8Array.from(text.slice(0, 12), (letter) => letter.charCodeAt(0)));
}
