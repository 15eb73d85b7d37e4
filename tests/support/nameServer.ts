import { createSocket } from 'node:dgram';
import { once } from 'node:events';

export interface NameServer {
  /** As the resolver takes it. */
  address: string;
  /** The names that it was asked for, with the type of record. */
  asked: string[];
  close(): void;
}

const TYPES: Readonly<Record<number, 'A' | 'AAAA'>> = { 1: 'A', 28: 'AAAA' };

/**
 * A real name server on this machine (RFC 1035 section 4).
 *
 * @param addressesOf the answer to each question, which may be another one each time; null: silence
 */
export async function startNameServer(
  addressesOf: (name: string, type: 'A' | 'AAAA') => readonly string[] | null,
): Promise<NameServer> {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    const { name, end } = nameIn(query);
    const type = TYPES[query.readUInt16BE(end)];
    asked.push(`${name} ${type}`);
    const addresses = type === undefined ? [] : addressesOf(name, type);
    if (addresses !== null) socket.send(answerTo(query, end + 4, addresses), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { address: `127.0.0.1:${socket.address().port}`, asked, close: () => socket.close() };
}

const HEADER_BYTES = 12;

function nameIn(query: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}

function answerTo(query: Buffer, questionEnd: number, addresses: readonly string[]): Buffer {
  const header = Buffer.from(query.subarray(0, HEADER_BYTES));
  // A response, with recursion available; one question, the answers, nothing else.
  header.writeUInt16BE(0x8180, 2);
  for (const [index, count] of [1, addresses.length, 0, 0].entries()) header.writeUInt16BE(count, 4 + 2 * index);
  const records = addresses.map((address) => {
    const data = bytesOf(address);
    const record = Buffer.alloc(12);
    // The name of the question, class IN, and no time to live.
    record.writeUInt16BE(0xc000 | HEADER_BYTES, 0);
    record.writeUInt16BE(data.length === 4 ? 1 : 28, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt16BE(data.length, 10);
    return Buffer.concat([record, data]);
  });
  return Buffer.concat([header, query.subarray(HEADER_BYTES, questionEnd), ...records]);
}

/** Of an IPv4 address, or of an IPv6 address with all its groups. */
function bytesOf(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  const groups = address.split(':').map((group) => Number.parseInt(group, 16));
  return Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}
