import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Hono } from 'hono';
import { afterEach, describe, expect, it } from 'vitest';
import type { Peer } from '@/middleware/context.ts';
import { type EventSource, eventStream, type StreamTimes } from '@/routes/eventStream.ts';
import { listening, listenNode } from '@/runtimes/listenNode.ts';
import type { Listening } from '@/runtimes/serve.ts';
import { listenProxy } from '../../scripts/drainingProxy.ts';
import { eventsOf } from '../support/events.ts';

const HERE = { host: '127.0.0.1', port: 0 };
const MEBIBYTE = 2 ** 20;

const sockets: Listening[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0).reverse()) await socket.close();
});

/** A server that answers with the stream of `source`. It calls `gone` when a connection ends before its stream. */
async function serve(source: EventSource, times: Partial<StreamTimes>, gone = () => {}): Promise<Listening> {
  const app = new Hono<{ Bindings: Peer }>().get('/', (c) => {
    c.req.raw.signal.addEventListener('abort', gone);
    return eventStream(c, source, times);
  });
  const server = await listenNode(app.fetch, HERE);
  sockets.push(server);
  return server;
}

/** A source that tests tell what to say. */
function spoken() {
  const words: (string | null)[] = [];
  let said = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();
  return {
    say(word: string | null) {
      words.push(word);
      said.resolve();
    },
    stopped: stopped.promise,
    async next() {
      while (words.length === 0) {
        await said.promise;
        said = Promise.withResolvers();
      }
      return words.shift() ?? null;
    },
    stop: stopped.resolve,
  };
}

/** A source that has a mebibyte to say whenever it is asked. */
function endless() {
  const stopped = Promise.withResolvers<void>();
  const event = `data: ${'x'.repeat(MEBIBYTE)}\n\n`;
  let made = 0;
  return {
    made: () => made,
    stopped: stopped.promise,
    async next() {
      made += 1;
      return event;
    },
    stop: stopped.resolve,
  };
}

/** Sends a request, and reads nothing of what comes. */
function stalledClient(port: number): Socket {
  const client = connect(port, HERE.host);
  client.pause();
  client.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  return client;
}

describe('an event stream', () => {
  it('beats while it is silent, through a proxy too, and loses no event to that', async () => {
    const source = spoken();
    const { port } = await serve(source, { heartbeat: 20 });
    const proxy = await listenProxy(`http://127.0.0.1:${port}`, HERE);
    sockets.push(proxy);
    const events = eventsOf(await fetch(`http://127.0.0.1:${proxy.port}/`));
    expect(await events.block()).toMatch(/^retry: \d+$/);
    for (const event of ['first', 'second']) {
      expect([await events.block(), await events.block()]).toEqual([': still here', ': still here']);
      source.say(`data: ${event}\n\n`);
      let block = await events.block();
      while (block === ': still here') block = await events.block();
      expect(block).toBe(`data: ${event}`);
    }
    await events.close();
    // What is on its way when the client goes away can no longer be told; the next that is written finds out.
    await source.stopped;
  });

  it('is ended by a proxy that closes, after the event that is half sent', async () => {
    const asked = Promise.withResolvers<ServerResponse>();
    const server = await listening(
      createServer((_, answer) => asked.resolve(answer)),
      HERE,
    );
    sockets.push(server);
    const proxy = await listenProxy(`http://127.0.0.1:${server.port}`, HERE);
    const following = fetch(`http://127.0.0.1:${proxy.port}/`);
    const answer = await asked.promise;
    answer.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: first\n\ndata: sec');
    const reader = (await following).body?.pipeThrough(new TextDecoderStream()).getReader();
    expect(await reader?.read()).toMatchObject({ value: 'data: first\n\ndata: sec' });
    const closed = proxy.close();
    answer.write('ond\n\n');
    expect(await reader?.read()).toMatchObject({ value: 'ond\n\n' });
    expect(await reader?.read()).toMatchObject({ done: true });
    await closed;
  });

  it('drops a client that takes nothing, and has made no more for it than the sockets hold', async () => {
    const source = endless();
    const { port } = await serve(source, { stalled: 100 });
    const client = stalledClient(port);
    await source.stopped;
    const made = source.made();
    expect(made).toBeLessThan(32);
    await expect(once(client.resume(), 'close')).rejects.toThrow('ECONNRESET');
    expect(source.made()).toBe(made);
  });

  it('drops it also when the life of the stream ends before the client is found to have stalled', async () => {
    const source = endless();
    const gone = Promise.withResolvers<void>();
    const { port } = await serve(source, { life: 100, stalled: 200 }, gone.resolve);
    const client = stalledClient(port);
    await source.stopped;
    await gone.promise;
    client.destroy();
  });

  it('ends after its longest life, between two events', async () => {
    const source = spoken();
    source.stopped.then(() => source.say(null));
    const { port } = await serve(source, { life: 50 });
    const events = eventsOf(await fetch(`http://127.0.0.1:${port}/`));
    source.say('data: only\n\n');
    expect(await events.block()).toMatch(/^retry: /);
    expect(await events.block()).toBe('data: only');
    expect(await events.block()).toBeNull();
  });
});
