import type { Pulled, Stream } from '../plan/stream.ts';
import { PAUSE } from '../plan/stream.ts';

/** A stream whose error comes only after the batch of what was read before it has been handed out. */
export class DeferredErrorStream implements Stream {
  private readonly input: Stream;
  private given = 0;
  private failure: { readonly error: unknown } | undefined;

  constructor(input: Stream) {
    this.input = input;
  }

  get hasFailed(): boolean {
    return this.failure !== undefined;
  }

  startBatch(): void {
    this.given = 0;
  }

  next(): Pulled {
    if (this.failure !== undefined) throw this.failure.error;
    try {
      const doc = this.input.next();
      if (doc !== undefined && doc !== PAUSE) this.given += 1;
      return doc;
    } catch (error) {
      if (this.given === 0) throw error;
      this.failure = { error };
      return undefined;
    }
  }

  detach(): void {
    this.input.detach();
  }
}
