import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { BsonWriter } from '../bson/encode.ts';

/**
 * Journals and snapshots are files of records:
 *
 *     file   = "EMBMONGO" version:u32 generation:u32 record*
 *     record = "RECO" length:u32 check:u32 payload[length] checksum:u32 "DONE"
 *
 * `check` covers the eight bytes before it and `checksum` the payload. With both, and with a mark at the very end, a
 * record that was cut off by a crash (it reaches beyond the file, or ends in bytes never written) can be told from one
 * that was damaged later.
 */
export const FILE_HEADER_BYTES = 16;
const FILE_MAGIC = 'EMBMONGO';
const FORMAT_VERSION = 1;
const RECORD_HEADER_BYTES = 12;
const RECORD_TRAILER_BYTES = 8;
const RECORD_MAGIC = 0x4f434552;
const END_MAGIC = 0x454e4f44;
const MAX_RECORD_BYTES = 512 * 1024 * 1024;

/** The data folder cannot be used; the message is one line for whoever started the server. */
export class StorageError extends Error {}

export function fileHeader(generation: number): Buffer {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  header.write(FILE_MAGIC, 0, 'latin1');
  header.writeUInt32LE(FORMAT_VERSION, 8);
  header.writeUInt32LE(generation, 12);
  return header;
}

/** Puts a payload into a record. */
export function frame(payload: Uint8Array): Buffer {
  const writer = new BsonWriter(payload.length + RECORD_HEADER_BYTES + RECORD_TRAILER_BYTES);
  writer.int32(RECORD_MAGIC);
  writer.int32(payload.length);
  writer.int32(crc32(writer.bytes.subarray(0, 8)) | 0);
  writer.raw(payload);
  writer.int32(crc32(payload) | 0);
  writer.int32(END_MAGIC);
  return writer.finish();
}

export interface ReadResult {
  /** Where the last whole record ends: everything behind it was cut off by a crash. */
  readonly goodBytes: number;
  readonly size: number;
}

/** Reads all records of a file. Only the newest journal may end in a torn record. */
export function readRecords(path: string, mayBeTorn: boolean, visit: (payload: Buffer) => void): ReadResult {
  const fd = openSync(path, 'r');
  try {
    return new RecordReader(path, fd, fstatSync(fd).size, mayBeTorn).readAll(visit);
  } finally {
    closeSync(fd);
  }
}

class RecordReader {
  private readonly path: string;
  private readonly fd: number;
  private readonly size: number;
  private readonly mayBeTorn: boolean;
  private offset = 0;
  private buffer = Buffer.alloc(0);
  private bufferStart = 0;

  constructor(path: string, fd: number, size: number, mayBeTorn: boolean) {
    this.path = path;
    this.fd = fd;
    this.size = size;
    this.mayBeTorn = mayBeTorn;
  }

  readAll(visit: (payload: Buffer) => void): ReadResult {
    if (this.size < FILE_HEADER_BYTES) {
      if (!this.mayBeTorn) throw this.damage('its header is incomplete');
      return { goodBytes: 0, size: this.size };
    }
    const header = this.at(0, FILE_HEADER_BYTES);
    if (header.toString('latin1', 0, 8) !== FILE_MAGIC) throw this.damage('it is no file of this server');
    const version = header.readUInt32LE(8);
    if (version !== FORMAT_VERSION) {
      throw new StorageError(`${this.path} has format version ${version}; this server reads version ${FORMAT_VERSION}`);
    }
    this.offset = FILE_HEADER_BYTES;
    for (;;) {
      const payload = this.next();
      if (payload === undefined) return { goodBytes: this.offset, size: this.size };
      visit(payload);
    }
  }

  private next(): Buffer | undefined {
    const left = this.size - this.offset;
    if (left === 0) return undefined;
    if (left < RECORD_HEADER_BYTES) return this.torn('a record header is incomplete');
    const header = this.at(this.offset, RECORD_HEADER_BYTES);
    const intact =
      header.readInt32LE(0) === RECORD_MAGIC && header.readInt32LE(8) === (crc32(header.subarray(0, 8)) | 0);
    if (!intact) {
      if (this.isZeroFrom(this.offset)) return this.torn('it ends in bytes that were never written');
      throw this.damage('a record header is not what was written');
    }
    const length = header.readInt32LE(4);
    if (length < 0 || length > MAX_RECORD_BYTES) throw this.damage('a record has an impossible length');
    const total = RECORD_HEADER_BYTES + length + RECORD_TRAILER_BYTES;
    if (left < total) return this.torn('a record is incomplete');
    const record = this.at(this.offset, total);
    const payload = record.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + length);
    const checksum = record.readInt32LE(RECORD_HEADER_BYTES + length);
    if (record.readInt32LE(total - 4) !== END_MAGIC || checksum !== (crc32(payload) | 0)) {
      const unwritten =
        record.readInt32LE(total - 4) === 0 && this.isZeroFrom(this.offset + total - RECORD_TRAILER_BYTES);
      if (unwritten) return this.torn('a record ends in bytes that were never written');
      throw this.damage('the checksum of a record does not match');
    }
    this.offset += total;
    return payload;
  }

  private torn(what: string): undefined {
    if (!this.mayBeTorn) throw this.damage(what);
    return undefined;
  }

  private damage(what: string): StorageError {
    return new StorageError(`${this.path} is damaged at offset ${this.offset}: ${what}`);
  }

  private isZeroFrom(start: number): boolean {
    const step = 64 * 1024;
    for (let from = start; from < this.size; from += step) {
      if (this.at(from, Math.min(step, this.size - from)).some((byte) => byte !== 0)) return false;
    }
    return true;
  }

  /** The bytes at an offset, read in large pieces. */
  private at(offset: number, length: number): Buffer {
    const from = offset - this.bufferStart;
    if (from >= 0 && from + length <= this.buffer.length) return this.buffer.subarray(from, from + length);
    const piece = Buffer.allocUnsafe(Math.min(Math.max(length, 4 * 1024 * 1024), this.size - offset));
    let read = 0;
    while (read < piece.length) {
      const count = readSync(this.fd, piece, read, piece.length - read, offset + read);
      if (count === 0) throw this.damage('it became shorter while it was read');
      read += count;
    }
    this.buffer = piece;
    this.bufferStart = offset;
    return piece.subarray(0, length);
  }
}
