import type { Context } from 'hono';
import type { Peer } from '../middleware/context.ts';

/** Milliseconds in the life of a stream. */
export interface StreamTimes {
  /** Silence after which a comment is sent: proxies cut what is silent for a minute, some sooner. */
  heartbeat: number;
  /** A consumer that has not taken what was sent for so long is gone, or might as well be. */
  stalled: number;
  /** A stream ends then, and is resumed with a token that is valid still. */
  life: number;
}

const TIMES: StreamTimes = { heartbeat: 15_000, stalled: 60_000, life: 15 * 60_000 };

/** Milliseconds after which a client comes back, so spread that not all come at once. */
const RETRY_MS = { least: 1_000, spread: 2_000 };

/** Events as text, for one client. */
export interface EventSource {
  /** The next ones; null when there will be none. */
  next(): Promise<string | null>;
  /** Makes `next` give null. Called once the stream is over, for whatever reason. */
  stop(): void;
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html#the-eventsource-interface */
const HEADERS = {
  'Content-Type': 'text/event-stream',
  // Neither kept nor compressed on the way, and not gathered by nginx.
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
};

/**
 * Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation). Nothing is made
 * before the client has taken what came before, so that a slow one costs no memory; an event is sent whole or not at all.
 */
export function eventStream(
  c: Pick<Context<{ Bindings: Peer }>, 'req' | 'body' | 'env'>,
  source: EventSource,
  given: Partial<StreamTimes> = {},
): Response {
  // HEAD is answered by this handler too, and nobody would ever read the body.
  if (c.req.raw.method === 'HEAD') {
    source.stop();
    return c.body(null, 200, HEADERS);
  }
  const times = { ...TIMES, ...given };
  const encoder = new TextEncoder();
  let coming: Promise<string | null> | undefined;
  let stall: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  let isGone = false;
  let greeting = `retry: ${RETRY_MS.least + Math.floor(Math.random() * RETRY_MS.spread)}\n\n`;
  const life = setTimeout(end, times.life);

  /** What was made already is taken still, or the client is found to have stalled. */
  function end(): void {
    if (isOver) return;
    isOver = true;
    clearTimeout(life);
    source.stop();
  }

  async function chunk(): Promise<string | null> {
    if (greeting !== '') {
      const text = greeting;
      greeting = '';
      return text;
    }
    coming ??= source.next();
    let silence: ReturnType<typeof setTimeout> | undefined;
    const heartbeat = new Promise<string>((resolve) => {
      silence = setTimeout(resolve, times.heartbeat, ': still here\n\n');
    });
    const events = coming.then((text) => {
      coming = undefined;
      return text;
    });
    return Promise.race([events, heartbeat]).finally(() => clearTimeout(silence));
  }

  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        clearTimeout(stall);
        const text = await chunk();
        if (isGone) return;
        if (text === null) {
          end();
          controller.close();
          return;
        }
        controller.enqueue(encoder.encode(text));
        stall = setTimeout(() => {
          end();
          // Where nothing can cut it off, a client that wakes up later finds the end of the stream behind whole events, and resumes.
          if (c.env?.cutOff) c.env.cutOff();
          else controller.close();
        }, times.stalled);
      },
      cancel() {
        isGone = true;
        clearTimeout(stall);
        end();
      },
    },
    { highWaterMark: 0 },
  );
  return c.body(body, 200, HEADERS);
}

/** One event, whose data is a line of JSON. */
export function eventText(event: { event: string; id: string; data: unknown }): string {
  return `event: ${event.event}\nid: ${event.id}\ndata: ${JSON.stringify(event.data)}\n\n`;
}
