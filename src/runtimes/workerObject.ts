import { EnvironmentError } from '../config/env.ts';
import { errorFields } from '../config/log.ts';
import { whenBodyEnds } from './bodyEnd.ts';
import { readOut } from './unreadBody.ts';
import { openWorkerSession, type WorkerSession } from './workerSession.ts';
import { appOf, type Bindings, refuse, setupOrProblem, type WorkerSetup } from './workerSetup.ts';

/**
 * Connections for commands; while events are streamed, one of them waits for changes. With one that watches each member of a replica set
 * of three they are the six that Cloudflare lets be open at once: https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections
 */
const POOL_SIZE = 3;

/**
 * Milliseconds without a request and a command after which the database is let go. Open sockets and the driver's timers would keep the
 * object in memory, and on the bill, for ever: https://developers.cloudflare.com/durable-objects/concepts/durable-object-lifecycle/
 */
const IDLE_MS = 10_000;

interface Held {
  session: WorkerSession;
  fetch: (request: Request) => Response | Promise<Response>;
}

/**
 * The API with connections that stay from one request to the next, which a Worker's own requests cannot have: all that an object does is
 * done on behalf of itself. It stores nothing.
 */
export class ApiObject {
  readonly #bindings: Bindings;
  #held: Held | undefined;
  #underWay = 0;

  constructor(_state: unknown, bindings: Bindings) {
    this.#bindings = bindings;
  }

  async fetch(request: Request): Promise<Response> {
    const setup = setupOrProblem(this.#bindings);
    if (setup instanceof EnvironmentError) return refuse(request, setup);
    this.#held ??= this.#hold(setup);
    const { session, fetch } = this.#held;
    this.#underWay += 1;
    const ended = () => {
      this.#underWay -= 1;
    };
    try {
      await session.connect();
      const response = await fetch(request);
      await readOut(request);
      if (isStream(response)) return whenBodyEnds(response, ended);
      ended();
      return response;
    } catch (error) {
      ended();
      throw error;
    }
  }

  #hold(setup: WorkerSetup): Held {
    const session = openWorkerSession(setup, { poolSize: POOL_SIZE, watches: true });
    const app = appOf(setup, session);
    const watch = setInterval(() => {
      if (this.#underWay > 0 || session.idleMs() < IDLE_MS) return;
      clearInterval(watch);
      // Whoever comes from now on holds a new session; this one ends what it has begun.
      this.#held = undefined;
      session.end().catch((error: unknown) => setup.log.warn('a connection did not end cleanly', errorFields(error)));
    }, IDLE_MS / 4);
    return { session, fetch: app.fetch };
  }
}

/** The one kind of answer that needs the database after it has begun. */
function isStream(response: Response): boolean {
  return response.headers.get('Content-Type') === 'text/event-stream';
}
