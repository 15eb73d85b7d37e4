/**
 * A process of its own, on whatever runtime it is started with: its server answers every request with an event stream that never ends and has
 * a mebibyte to say whenever it is asked. It tells in lines of JSON what becomes of the streams.
 */

import { type Context, Hono } from 'hono';
import type { Peer } from '../../src/middleware/context.ts';
import { eventStream } from '../../src/routes/eventStream.ts';
import { listenHere } from '../../src/runtimes/listenHere.ts';

const STALLED_MS = 300;
const EVENT = `data: ${'x'.repeat(2 ** 20)}\n\n`;

const app = new Hono<{ Bindings: Peer }>().get('/', (c) => {
  let made = 0;
  let isOver = false;
  const source = {
    async next() {
      if (isOver) return null;
      made += 1;
      return EVENT;
    },
    stop() {
      isOver = true;
      tell({ stopped: made });
    },
  };
  goneFrom(c).then(() => tell({ gone: true }));
  return eventStream(c, source, { stalled: STALLED_MS });
});

/** When its connection holds nothing of the answer any more. Deno says so itself; its signal tells of every answer, and warns of that. */
function goneFrom({ env, req }: Context<{ Bindings: Peer }>): Promise<unknown> {
  return env.taken?.() ?? new Promise((resolve) => req.raw.signal.addEventListener('abort', resolve));
}

function tell(news: Record<string, unknown>): void {
  console.log(JSON.stringify(news));
}

const listen = await listenHere();
const { port } = await listen(app.fetch, { host: '127.0.0.1', port: 0 });
tell({ port });
