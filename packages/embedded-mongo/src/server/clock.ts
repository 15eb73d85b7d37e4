import { BsonWriter } from '../bson/encode.ts';
import { Binary, Doc, Timestamp } from '../bson/values.ts';

/**
 * The logical time of the server: every change gets the next one (manual: reference/method/Session, "Causal
 * Consistency"). Replies carry it as `operationTime` and `$clusterTime`.
 */
export class Clock {
  seconds = Math.floor(Date.now() / 1000);
  increment = 1;
  private isEncoded = false;
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
    this.isEncoded = false;
  }

  /** The two fields as they stand at the end of each reply. The bytes are those of the present until the next change. */
  get encoded(): Uint8Array {
    if (!this.isEncoded) {
      for (const at of TIMES) {
        TRAILER.writeUInt32LE(this.increment, at);
        TRAILER.writeUInt32LE(this.seconds, at + 4);
      }
      this.isEncoded = true;
    }
    return TRAILER;
  }
}

const UNSIGNED = Doc.of({ hash: new Binary(new Uint8Array(20)), keyId: 0n });

function trailer(now: Timestamp): Buffer {
  const writer = new BsonWriter(256);
  writer.document(Doc.of({ $clusterTime: Doc.of({ clusterTime: now, signature: UNSIGNED }), operationTime: now }));
  return Buffer.from(writer.finish().subarray(4, -1));
}
const TRAILER = trailer(new Timestamp(0, 0));
/** Where the two times stand in it: after their types and names. */
const TIMES = ['\x11clusterTime\0', '\x11operationTime\0'].map((name) => TRAILER.indexOf(name) + name.length);
