import { decodeDocument } from '../bson/decode.ts';
import { BsonWriter } from '../bson/encode.ts';
import { Doc, type Value } from '../bson/values.ts';

/** MongoDB wire protocol: reference/mongodb-wire-protocol. */
const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;
export const HEADER_BYTES = 16;
export const MAX_MESSAGE_BYTES = 48_000_000;

const CHECKSUM_PRESENT = 1;
const MORE_TO_COME = 2;
const EXHAUST_ALLOWED = 1 << 16;
const KNOWN_FLAGS = CHECKSUM_PRESENT | MORE_TO_COME | EXHAUST_ALLOWED;

/** The bytes break the protocol; the connection they came on is closed. */
export class ProtocolError extends Error {}

export interface Request {
  readonly requestId: number;
  readonly command: Doc;
  /** The client does not wait for a reply. */
  readonly silent: boolean;
  /** Asked with OP_QUERY, and thus to be answered with OP_REPLY. */
  readonly legacy: boolean;
}

/** Decodes one whole message, header included. */
export function decodeRequest(message: Buffer): Request {
  const requestId = message.readInt32LE(4);
  switch (message.readInt32LE(12)) {
    case OP_MSG:
      return decodeMsg(message, requestId);
    case OP_QUERY:
      return decodeQuery(message, requestId);
    default:
      throw new ProtocolError(`unsupported opcode ${message.readInt32LE(12)}`);
  }
}

function decodeMsg(message: Buffer, requestId: number): Request {
  if (message.length < HEADER_BYTES + 5) throw new ProtocolError('OP_MSG is too short');
  const flags = message.readUInt32LE(HEADER_BYTES);
  if ((flags & 0xffff & ~KNOWN_FLAGS) !== 0) throw new ProtocolError('OP_MSG has unknown required flags');
  const end = message.length - ((flags & CHECKSUM_PRESENT) === 0 ? 0 : 4);
  let body: Doc | undefined;
  const sequences: [string, Value[]][] = [];
  let at = HEADER_BYTES + 4;
  while (at < end) {
    const kind = message[at];
    at += 1;
    if (kind === 0) {
      if (body !== undefined) throw new ProtocolError('OP_MSG has two bodies');
      body = decodeDocument(message, at, end);
      at += message.readInt32LE(at);
    } else if (kind === 1) {
      const sequence = decodeSequence(message, at, end);
      sequences.push([sequence.name, sequence.docs]);
      at = sequence.end;
    } else {
      throw new ProtocolError(`OP_MSG section of unknown kind ${kind}`);
    }
  }
  if (body === undefined) throw new ProtocolError('OP_MSG has no body');
  const command =
    sequences.length === 0
      ? body
      : new Doc(
          [...body.keys, ...sequences.map(([name]) => name)],
          [...body.values, ...sequences.map(([, docs]) => docs)],
        );
  return { requestId, command, silent: (flags & MORE_TO_COME) !== 0, legacy: false };
}

function decodeSequence(message: Buffer, start: number, end: number): { name: string; docs: Value[]; end: number } {
  if (start + 4 > end) throw new ProtocolError('document sequence is cut off');
  const stop = start + message.readInt32LE(start);
  const nameEnd = message.indexOf(0, start + 4);
  if (stop > end || nameEnd < 0 || nameEnd >= stop) throw new ProtocolError('document sequence has a bad length');
  const name = message.toString('utf8', start + 4, nameEnd);
  const docs: Value[] = [];
  let at = nameEnd + 1;
  while (at < stop) {
    docs.push(decodeDocument(message, at, stop));
    at += message.readInt32LE(at);
  }
  return { name, docs, end: stop };
}

/** OP_QUERY is accepted for the handshake only: old drivers say hello with it. */
function decodeQuery(message: Buffer, requestId: number): Request {
  const nameStart = HEADER_BYTES + 4;
  const nameEnd = message.indexOf(0, nameStart);
  if (nameEnd < 0 || nameEnd + 9 > message.length) throw new ProtocolError('OP_QUERY is cut off');
  const namespace = message.toString('utf8', nameStart, nameEnd);
  if (!namespace.endsWith('.$cmd')) throw new ProtocolError('OP_QUERY is supported for commands only');
  const command = decodeDocument(message, nameEnd + 9);
  const name = command.keys[0] ?? '';
  if (!['hello', 'ismaster', 'isMaster'].includes(name)) {
    throw new ProtocolError(`OP_QUERY command ${name} is not supported`);
  }
  return { requestId, command: command.with('$db', namespace.slice(0, -5)), silent: false, legacy: true };
}

const writer = new BsonWriter(256 * 1024);
const KEEP_BYTES = 4 * 1024 * 1024;
let nextResponseId = 1;

const NO_FIELDS = new Uint8Array(0);

/** Encodes a reply in memory of its own, which the socket may hold for as long as it likes. */
export function encodeReply(
  request: Pick<Request, 'requestId' | 'legacy'>,
  reply: Doc,
  lastFields: Uint8Array = NO_FIELDS,
): Buffer {
  writer.at = 0;
  writer.int32(0);
  writer.int32(nextResponseId);
  writer.int32(request.requestId);
  nextResponseId = (nextResponseId + 1) & 0x7fffffff;
  if (request.legacy) {
    writer.int32(OP_REPLY);
    writer.int32(8);
    writer.int32(0);
    writer.int32(0);
    writer.int32(0);
    writer.int32(1);
  } else {
    writer.int32(OP_MSG);
    writer.int32(0);
    writer.byte(0);
  }
  const start = writer.at;
  writer.document(reply);
  // Fields that are the same in many replies come encoded, and go before the document's end.
  writer.at -= 1;
  writer.raw(lastFields);
  writer.byte(0);
  writer.bytes.writeInt32LE(writer.at - start, start);
  writer.bytes.writeInt32LE(writer.at, 0);
  const encoded = Buffer.from(writer.finish());
  if (writer.bytes.length > KEEP_BYTES) writer.bytes = Buffer.allocUnsafe(256 * 1024);
  return encoded;
}
