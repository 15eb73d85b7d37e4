import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startProcess } from '../support/processes.ts';

const SERVER = 'tests/support/endlessServer.ts';
/** The runtimes whose server listens itself; before a Worker stands one that does. */
const ENTRIES = { bun: ['bun', SERVER], node: ['node', SERVER], deno: ['deno', 'run', '-A', SERVER] } as const;

/** A system keeps a few mebibytes for each socket. */
const MOST_MEBIBYTES = 32;
const CLIENTS = 8;
/** The end of an answer in chunks, behind a whole event: RFC 9112 section 7.1. */
const LAST_CHUNK = '\n\n\r\n0\r\n\r\n';
const PATIENCE_MS = 30_000;

const news = z.object({ port: z.number(), stopped: z.number(), gone: z.boolean() }).partial();
type News = z.infer<typeof news>;

const running: ReturnType<typeof startProcess>[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.kill();
});

async function start([bin, ...args]: readonly [string, ...string[]]) {
  const server = startProcess(bin, args, {});
  running.push(server);
  const told = () =>
    server.output.flatMap((line): News[] => (line.startsWith('{') ? [news.parse(JSON.parse(line))] : []));
  const port = await server.waitFor(() => told().find((each) => each.port)?.port);
  const stops = () => told().flatMap(({ stopped }) => stopped ?? []);
  const gone = () => told().filter((each) => each.gone).length;
  return {
    port,
    output: server.output,
    gone,
    /** What was made for each, when as many are let go of. */
    untilStopped: (count: number) => server.waitFor(() => (stops().length < count ? undefined : stops())),
    untilGone: (count: number) => server.waitFor(() => (gone() < count ? undefined : gone())),
  };
}

/** Sends a request, and reads nothing of what comes. */
async function stalledClient(port: number): Promise<Socket> {
  const client = connect(port, '127.0.0.1');
  client.pause();
  // One that was cut off finds out when it reads.
  client.on('error', () => {});
  await once(client, 'connect');
  client.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  return client;
}

describe.each(['bun', 'node', 'deno'] as const)('a client that does not read its stream, on %s', (runtime) => {
  it('is let go of quietly, and no more was made for it than the sockets hold', { timeout: PATIENCE_MS }, async () => {
    const server = await start(ENTRIES[runtime]);
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => stalledClient(server.port)));
    for (const made of await server.untilStopped(CLIENTS)) expect(made).toBeLessThan(MOST_MEBIBYTES);
    if (runtime === 'deno') await expectCounted(server, clients);
    else await server.untilGone(CLIENTS);
    expect(server.output.filter((line) => !line.startsWith('{'))).toEqual([]);
    for (const client of clients) client.destroy();
  });
});

/** Deno cannot end one connection. It tells when one is over, and until then it counts; who wakes up finds the end of the stream. */
async function expectCounted(server: Awaited<ReturnType<typeof start>>, [reading, ...leaving]: Socket[]) {
  expect(server.gone()).toBe(0);
  const readToEnd = Promise.withResolvers<void>();
  let end = '';
  reading?.resume().on('data', (piece) => {
    end = `${end}${piece}`.slice(-LAST_CHUNK.length);
    if (end === LAST_CHUNK) readToEnd.resolve();
  });
  await Promise.all([readToEnd.promise, server.untilGone(1)]);
  for (const client of leaving) client.destroy();
  await server.untilGone(CLIENTS);
}
