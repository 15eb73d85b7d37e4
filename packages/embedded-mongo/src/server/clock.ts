import { BsonWriter } from '../bson/encode.ts';
import { Binary, Doc, Timestamp } from '../bson/values.ts';

/**
 * The logical time of the server: every change gets the next one (manual: reference/method/Session, "Causal
 * Consistency"). Replies carry it as `operationTime` and `$clusterTime`.
 */
export class Clock {
  seconds = Math.floor(Date.now() / 1000);
  increment = 1;
  private trailer: Uint8Array | undefined;

  get now(): Timestamp {
    return new Timestamp(this.seconds, this.increment);
  }

  tick(nowMs: number): void {
    const seconds = Math.floor(nowMs / 1000);
    if (seconds > this.seconds) this.set(seconds, 1);
    else this.set(this.seconds, this.increment + 1);
  }

  set(seconds: number, increment: number): void {
    this.seconds = seconds;
    this.increment = increment;
    this.trailer = undefined;
  }

  /** The two fields as they stand at the end of each reply, encoded once for each time. */
  get encoded(): Uint8Array {
    if (this.trailer !== undefined) return this.trailer;
    const writer = new BsonWriter(256);
    const { now } = this;
    const $clusterTime = Doc.of({ clusterTime: now, signature: UNSIGNED });
    writer.document(Doc.of({ $clusterTime, operationTime: now }));
    this.trailer = Uint8Array.from(writer.finish().subarray(4, -1));
    return this.trailer;
  }
}
const UNSIGNED = Doc.of({ hash: new Binary(new Uint8Array(20)), keyId: 0n });
