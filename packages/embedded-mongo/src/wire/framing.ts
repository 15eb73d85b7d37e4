import { HEADER_BYTES, MAX_MESSAGE_BYTES, ProtocolError } from './message.ts';

/** Cuts the byte stream of a connection into messages, by the length in each header. */
export class Framing {
  private pieces: Buffer[] = [];
  private size = 0;
  /** The length of the message that is being received; 0 until its header is complete. */
  private wanted = 0;

  /** Adds received bytes; returns the messages that are complete now. */
  push(chunk: Buffer): Buffer[] {
    const messages: Buffer[] = [];
    this.pieces.push(chunk);
    this.size += chunk.length;
    for (;;) {
      if (this.wanted === 0) {
        if (this.size < HEADER_BYTES) return messages;
        this.wanted = checkedLength(this.joined().readInt32LE(0));
      }
      if (this.size < this.wanted) return messages;
      const all = this.joined();
      messages.push(all.subarray(0, this.wanted));
      const rest = all.subarray(this.wanted);
      this.pieces = rest.length === 0 ? [] : [rest];
      this.size = rest.length;
      this.wanted = 0;
    }
  }

  private joined(): Buffer {
    if (this.pieces.length !== 1) this.pieces = [Buffer.concat(this.pieces, this.size)];
    return this.pieces[0] as Buffer;
  }
}

function checkedLength(length: number): number {
  if (length < HEADER_BYTES || length > MAX_MESSAGE_BYTES) {
    throw new ProtocolError(`message length ${length} is out of range`);
  }
  return length;
}
