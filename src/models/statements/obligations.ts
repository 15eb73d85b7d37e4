import { Types } from 'mongoose';
import { generationsOf } from '../collections.ts';
import type { ImageGeneration } from '../ImageGeneration.ts';
import type { Store } from '../store.ts';
import { postOnce } from './accounts.ts';
import type { Posting } from './posting/posting.ts';

/**
 * Posts the refund or the delivery that an ended generation owes to its user: once, however often and by however many it is
 * called. The obligation itself is cleared when the posting is settled.
 *
 * @param readAt an instant before the generation was read
 * @returns whether it owed something
 */
export async function payObligation(store: Store, generation: ImageGeneration, readAt: Date): Promise<boolean> {
  const posting = postingOf(generation);
  if (!posting) return false;
  const paid = async () => ((await stillOwes(store, generation._id)) ? null : true);
  await postOnce(store, { _id: generation.userId }, posting, paid, readAt);
  return true;
}

function postingOf({ _id: generationId, owes, charge, outputImages }: ImageGeneration): Posting | null {
  const id = new Types.ObjectId();
  if (owes === 'delivery') return { id, kind: 'delivery', credits: outputImages.length, generationId };
  if (owes !== 'refund' || !charge) return null;
  return { id, kind: 'refund', credits: charge.credits, period: charge.period, chargeId: charge.id, generationId };
}

async function stillOwes(store: Store, id: Types.ObjectId): Promise<boolean> {
  const owing = await generationsOf(store).findOne({ _id: id, owes: { $exists: true } }, { projection: { _id: 1 } });
  return owing !== null;
}
