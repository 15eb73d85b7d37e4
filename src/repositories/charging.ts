import type { UserReference } from '../models/statements/accounts.ts';
import { chargeAlone, chargeTogether, type Taken, type Taking } from '../models/statements/chargingTogether.ts';
import type { ChargePosting } from '../models/statements/posting/posting.ts';
import type { Store } from '../models/store.ts';

/** Makes charges of which no key tells that they may have been made before. */
export interface Charging {
  take(user: UserReference, posting: ChargePosting): Promise<Taken>;
}

/** Each by itself. */
export const chargingAlone = (store: Store): Charging => ({
  take: (user, posting) => chargeAlone(store, { user, posting }),
});

/** How many commands may be under way before charges wait for company. */
const LANES = 2;

/** The most charges that share their commands. */
const TOGETHER = 256;

interface Waiting {
  taking: Taking;
  resolve(taken: Taken): void;
  reject(error: unknown): void;
}

/**
 * A few at a time go by themselves, at once. While {@link LANES} are under way others wait, and then go together: the more there are, the
 * less each of them costs, as with the group commit of a database's journal.
 */
export function chargingTogether(store: Store): Charging {
  const waiting: Waiting[] = [];
  let underWay = 0;

  function next(): void {
    if (underWay === LANES || waiting.length === 0) return;
    underWay += 1;
    make(waiting.splice(0, TOGETHER)).finally(() => {
      underWay -= 1;
      // Whoever has just been answered may have more to ask, and go along.
      if (waiting.length > 0) setImmediate(next);
    });
  }

  async function make(charges: Waiting[]): Promise<void> {
    const [first, ...others] = charges;
    try {
      if (first && others.length === 0) return first.resolve(await chargeAlone(store, first.taking));
      const results = await chargeTogether(
        store,
        charges.map(({ taking }) => taking),
      );
      for (const [index, result] of results.entries()) {
        if (result.status === 'fulfilled') charges[index]?.resolve(result.value);
        else charges[index]?.reject(result.reason);
      }
    } catch (error) {
      for (const { reject } of charges) reject(error);
    }
  }

  return {
    take: (user, posting) =>
      new Promise((resolve, reject) => {
        waiting.push({ taking: { user, posting }, resolve, reject });
        next();
      }),
  };
}
