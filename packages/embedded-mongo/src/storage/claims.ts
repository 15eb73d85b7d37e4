/** Whoever holds claims until it ends: an open transaction. */
export interface Holder {
  /** Resolves when it has ended, either way, and its claims are free. */
  readonly ended: Promise<void>;
}

/** A change meets an open transaction. Nothing has been changed; it can be tried again when the holder has ended. */
export class Blocked extends Error {
  readonly holder: Holder;

  constructor(holder: Holder) {
    super('an open transaction holds what this command wants to change');
    this.holder = holder;
  }
}

/**
 * What open transactions have changed or reserved: records, keys of unique indexes and names of collections. Outside a
 * transaction one waits for a claim to end; inside, meeting one is a write conflict (manual: core/transactions-production-consideration).
 */
export class Claims {
  private readonly holders = new Map<string, Holder>();

  get size(): number {
    return this.holders.size;
  }

  holder(claim: string): Holder | undefined {
    return this.holders.get(claim);
  }

  take(claim: string, holder: Holder): void {
    this.holders.set(claim, holder);
  }

  release(claim: string): void {
    this.holders.delete(claim);
  }

  /** Throws when any of these is held. */
  check(claims: Iterable<string>): void {
    for (const claim of claims) {
      const holder = this.holders.get(claim);
      if (holder !== undefined) throw new Blocked(holder);
    }
  }
}

export const recordClaim = (collectionId: number, recordId: number): string => `${collectionId}/${recordId}`;
export const keyClaim = (collectionId: number, index: string, key: string): string => `${collectionId}:${index}:${key}`;
export const namespaceClaim = (namespace: string): string => `ns:${namespace}`;

/** Tries again after each transaction that stands in the way. The attempt either does all of its work or none. */
export function* patiently<T>(attempt: () => T): Generator<Promise<void>, T> {
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      if (!(error instanceof Blocked)) throw error;
      yield error.holder.ended;
    }
  }
}
