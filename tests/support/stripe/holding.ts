/** An answer that is made and not given yet. */
export interface Held {
  /** Resolves when the call has come, and what it will be told is settled. */
  arrived: Promise<void>;
  release(): void;
}

/** Keeps answers back, as a slow network would: they tell how things were when they were made. */
export class Holding {
  readonly #holds: { part: string; arrived: PromiseWithResolvers<void>; released: PromiseWithResolvers<void> }[] = [];

  /** The next call to a route, named as `GET /v1/subscriptions` or by a part of it. */
  next(part: string): Held {
    const hold = { part, arrived: Promise.withResolvers<void>(), released: Promise.withResolvers<void>() };
    this.#holds.push(hold);
    return { arrived: hold.arrived.promise, release: hold.released.resolve };
  }

  /** Resolves when the answer to this call may go. */
  async pass(pattern: string): Promise<void> {
    const index = this.#holds.findIndex(({ part }) => pattern.includes(part));
    const [hold] = index < 0 ? [] : this.#holds.splice(index, 1);
    hold?.arrived.resolve();
    await hold?.released.promise;
  }
}
