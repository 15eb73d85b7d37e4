import { once } from 'node:events';
import { connect } from 'node:net';
import { type Document, deserialize, serialize } from 'bson';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeMessage, rawCommand, readMessage } from './support/raw.ts';
import { useServer } from './support/server.ts';

const server = useServer();

/** Sends bytes and waits until the server closes the connection. */
async function closedBy(bytes: Uint8Array): Promise<void> {
  const socket = connect(server().mongo.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => {});
  socket.write(bytes);
  await once(socket, 'close');
}

/** Sends bytes, says that no more will come, and waits for an answer or the end. */
async function swallowed(bytes: Uint8Array): Promise<void> {
  const socket = connect(server().mongo.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => {});
  socket.end(bytes);
  await Promise.race([once(socket, 'close'), once(socket, 'data')]);
  socket.destroy();
}

const ping = encodeMessage({ ping: 1, $db: 'admin' });
const changed = (change: (bytes: Buffer) => void): Buffer => {
  const bytes = Buffer.from(ping);
  change(bytes);
  return bytes;
};

describe('a malformed message closes its connection only', () => {
  test.each<[string, Buffer]>([
    ['a length below the header', changed((bytes) => bytes.writeInt32LE(3, 0))],
    ['a negative length', changed((bytes) => bytes.writeInt32LE(-1, 0))],
    ['a length of a gigabyte', changed((bytes) => bytes.writeInt32LE(1 << 30, 0))],
    ['an unknown opcode', changed((bytes) => bytes.writeInt32LE(9999, 12))],
    ['an unknown required flag', changed((bytes) => bytes.writeUInt32LE(8, 16))],
    ['an unknown kind of section', changed((bytes) => bytes.writeUInt8(7, 20))],
    ['a document longer than its message', changed((bytes) => bytes.writeInt32LE(1000, 21))],
    ['a document without its end', changed((bytes) => bytes.writeUInt8(1, bytes.length - 1))],
    ['an unknown type of element', changed((bytes) => bytes.writeUInt8(0x55, 25))],
    ['no body at all', changed((bytes) => bytes.writeUInt8(1, 20))],
  ])('%s', async (_name, bytes) => {
    await closedBy(bytes);
    expect(await server().client.db('admin').command({ ping: 1 })).toMatchObject({ ok: 1 });
  });

  test('whatever the bytes are (fuzz)', { timeout: 30_000 }, async () => {
    const db = server().freshDb();
    const template = encodeMessage({ insert: 'c', documents: [{ a: [1, { b: 'x' }], c: /x/ }], $db: db.databaseName });
    const mutated = fc
      .array(fc.tuple(fc.nat(template.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
      .map((changes) => {
        const bytes = Buffer.from(template);
        for (const [at, value] of changes) bytes[at] = value;
        return bytes;
      });
    const noise = fc.uint8Array({ minLength: 1, maxLength: 300 });
    await fc.assert(
      fc.asyncProperty(fc.oneof({ weight: 4, arbitrary: mutated }, noise), async (bytes) => {
        await swallowed(bytes);
        expect(await server().client.db('admin').command({ ping: 1 })).toMatchObject({ ok: 1 });
      }),
      { numRuns: Number(process.env.EMBEDDED_MONGO_FUZZ ?? 400) },
    );
  });
});

describe('reference/mongodb-wire-protocol', () => {
  test('a document sequence and a checksum', async () => {
    const db = server().freshDb();
    const body = serialize({ insert: 'c', $db: db.databaseName });
    const docs = [serialize({ _id: 1 }), serialize({ _id: 2 })];
    const name = Buffer.from('documents\0');
    const size = Buffer.alloc(4);
    size.writeInt32LE(4 + name.length + docs.reduce((sum, doc) => sum + doc.length, 0));
    const sections = Buffer.concat([Buffer.from([0]), body, Buffer.from([1]), size, name, ...docs]);
    const header = Buffer.alloc(20);
    header.writeInt32LE(20 + sections.length + 4, 0);
    header.writeInt32LE(2013, 12);
    header.writeUInt32LE(1, 16);
    const socket = connect(server().mongo.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(Buffer.concat([header, sections, Buffer.alloc(4)]));
    const reply = await readMessage(socket);
    socket.destroy();
    expect(deserialize(reply.subarray(21))).toMatchObject({ n: 2, ok: 1 });
  });

  test('a message with moreToCome is carried out without an answer', async () => {
    const db = server().freshDb();
    const socket = connect(server().mongo.port, '127.0.0.1');
    await once(socket, 'connect');
    const silent = encodeMessage(
      { insert: 'c', documents: [{ _id: 1 }], writeConcern: { w: 0 }, $db: db.databaseName },
      1,
      2,
    );
    socket.write(Buffer.concat([silent, encodeMessage({ count: 'c', $db: db.databaseName }, 2)]));
    const reply = await readMessage(socket);
    socket.destroy();
    expect(reply.readInt32LE(8)).toBe(2);
    expect(deserialize(reply.subarray(21))).toMatchObject({ n: 1 });
  });

  test('the legacy handshake by OP_QUERY', async () => {
    const query = Buffer.concat([
      Buffer.alloc(4),
      Buffer.from('admin.$cmd\0'),
      Buffer.from([0, 0, 0, 0, 255, 255, 255, 255]),
      serialize({ isMaster: 1 }),
    ]);
    const header = Buffer.alloc(16);
    header.writeInt32LE(16 + query.length, 0);
    header.writeInt32LE(2004, 12);
    const socket = connect(server().mongo.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(Buffer.concat([header, query]));
    const reply = await readMessage(socket);
    socket.destroy();
    expect(reply.readInt32LE(12)).toBe(1);
    expect(deserialize(reply.subarray(36))).toMatchObject({ ismaster: true, ok: 1 });
  });
});

describe('commands that are not there', () => {
  test.each<[string, Document, number, string]>([
    ['an unknown command', { foo: 1, $db: 'admin' }, 59, 'CommandNotFound'],
    ['a command without a database', { ping: 1 }, 40571, 'Location40571'],
    ['a bad namespace', { insert: '$x', documents: [{}], $db: 'a' }, 73, 'InvalidNamespace'],
    ['a collation of no locale', { find: 'c', collation: { locale: 'nowhere' }, $db: 'a' }, 2, 'BadValue'],
    ['a cursor that tails what is not capped', { find: 'c', tailable: true, $db: 'a' }, 2, 'BadValue'],
    [
      'a unique text index',
      { createIndexes: 'c', indexes: [{ key: { a: 'text' }, name: 'a', unique: true }], $db: 'a' },
      238,
      'NotImplemented',
    ],
    ['a hint without an index', { find: 'c', hint: 'none', $db: 'a' }, 2, 'BadValue'],
  ])('%s', async (_name, command, code, codeName) => {
    await rawCommand(server().mongo.port, { create: 'c', $db: 'a' });
    expect(await rawCommand(server().mongo.port, command)).toMatchObject({ ok: 0, code, codeName });
  });

  test('a document of more than 16 MB', async () => {
    const big = serverTooLarge();
    const reply = await rawCommand(server().mongo.port, { insert: 'c', documents: [big], $db: 'a' });
    expect(reply).toMatchObject({ n: 0, writeErrors: [{ code: 2 }] });
  });
});

function serverTooLarge(): Document {
  return { text: 'x'.repeat(16 * 1024 * 1024) };
}
