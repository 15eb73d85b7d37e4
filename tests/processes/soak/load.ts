import { z } from 'zod';
import type { ServerProcess } from '../../support/processes.ts';

/** What a key has been answered: an id, or that there was no quota; null while nobody knows. */
export interface Keyed {
  person: string;
  route: '/v1/generations' | '/v1/quota/consume';
  key: string;
  body: object;
  answered: string | 'refused' | null;
}

/** What callers have asked for and been told, over all processes. */
export interface Told {
  keyed: Keyed[];
  /** Generations whose creation was answered, and what was done to them with success. */
  deleted: Set<string>;
  /** Of those whose deletion was not answered. */
  perhapsDeleted: Set<string>;
  cancelled: Set<string>;
  requests: number;
  /** Requests that nobody answered, since their process died, or that were answered 503. */
  unanswered: number;
  /** Answers that nothing here expects. */
  wrong: string[];
}

export interface Load {
  servers(): readonly ServerProcess[];
  authorizationOf(person: string): Promise<string>;
  newPerson(): string;
  random(below: number): number;
}

const generationAnswer = z.object({ id: z.string() });
const consumptionAnswer = z.object({ chargeId: z.string() });

interface Request {
  /** Whose request it is: the caller's person of the moment, unless told otherwise. */
  as?: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string;
}
type Answer = { status: number; body: unknown } | null;

export function createCaller({ servers, authorizationOf, newPerson, random }: Load, told: Told) {
  let person = newPerson();
  let mine: Keyed[] = [];
  let keys = 0;

  /** Of a process that is chosen at random; null when it died under the request, or could not say. */
  async function send(path: string, { as = person, ...init }: Request = {}): Promise<Answer> {
    const all = servers();
    const server = all[random(all.length)];
    told.requests += 1;
    try {
      const headers = { Authorization: await authorizationOf(as), ...init.headers };
      const response = await fetch(`${server?.url}${path}`, { ...init, headers });
      const text = await response.text();
      if (response.status !== 503) return { status: response.status, body: text === '' ? null : JSON.parse(text) };
    } catch (error) {
      if (!(error instanceof TypeError) && !(error instanceof Error && 'code' in error)) throw error;
    }
    told.unanswered += 1;
    return null;
  }

  /** Sends a keyed request, and holds its answer against what the key was answered before. */
  async function ask(keyed: Keyed): Promise<void> {
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': keyed.key };
    const before = keyed.answered;
    const answer = await send(keyed.route, {
      as: keyed.person,
      method: 'POST',
      headers,
      body: JSON.stringify(keyed.body),
    });
    if (answer === null) return;
    const now = answeredBy(keyed, answer);
    if (now === null) return;
    if (isId(before) && before !== now) told.wrong.push(`${keyed.key}: ${before}, and then ${now}`);
    if (isId(now) && isId(keyed.answered) && keyed.answered !== now) told.wrong.push(`${keyed.key}: two answers`);
    // Of two that are asked at once, one may be refused before the other is paid.
    if (now !== 'refused' || !isId(keyed.answered)) keyed.answered = now;
  }

  function answeredBy(keyed: Keyed, { status, body }: NonNullable<Answer>): Keyed['answered'] {
    if (status === 402) return 'refused';
    if (
      status === 404 &&
      keyed.answered !== null &&
      (told.deleted.has(keyed.answered) || told.perhapsDeleted.has(keyed.answered))
    )
      return keyed.answered;
    if (keyed.route === '/v1/quota/consume' && status === 200) return consumptionAnswer.parse(body).chargeId;
    if (keyed.route === '/v1/generations' && status === 201) return generationAnswer.parse(body).id;
    told.wrong.push(`${keyed.key}: ${status} ${JSON.stringify(body)}`);
    return null;
  }

  function newRequest(): Keyed {
    keys += 1;
    const shared = { person, key: `${person}-${keys}`, answered: null };
    const keyed: Keyed =
      random(4) === 0
        ? { ...shared, route: '/v1/quota/consume', body: { credits: 1 + random(2) } }
        : {
            ...shared,
            route: '/v1/generations',
            body: { type: 'text-to-image', prompt: 'A bay', count: 1 + random(2) },
          };
    told.keyed.push(keyed);
    mine.push(keyed);
    return keyed;
  }

  /** A generation of this caller's that is not being asked for elsewhere. */
  function someGeneration(): string | undefined {
    const created = mine.filter(({ route, answered }) => route === '/v1/generations' && isId(answered));
    return created[random(Math.max(1, created.length))]?.answered ?? undefined;
  }

  async function change(): Promise<void> {
    const id = someGeneration();
    if (id === undefined) return;
    const isDeletion = random(2) === 0;
    const answer = await (isDeletion
      ? send(`/v1/generations/${id}`, { method: 'DELETE' })
      : send(`/v1/generations/${id}/cancel`, { method: 'POST' }));
    // Who is not answered may have been obeyed.
    if (isDeletion && answer === null) told.perhapsDeleted.add(id);
    else if (isDeletion && answer?.status === 204) told.deleted.add(id);
    else if (answer?.status === 200) told.cancelled.add(id);
    else if (answer && ![404, 409].includes(answer.status)) told.wrong.push(`changing ${id}: ${answer.status}`);
  }

  async function read(): Promise<void> {
    const paths = ['/v1/quota', '/v1/me', '/v1/generations?limit=100', '/v1/quota/ledger'];
    const path = paths[random(paths.length)] ?? '/v1/quota';
    const answer = await send(path);
    if (answer && answer.status !== 200) told.wrong.push(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }

  return {
    ask,
    /** One thing that a client does. */
    async act(): Promise<void> {
      switch (random(8)) {
        case 0:
        case 1:
          return ask(newRequest());
        case 2: {
          // The same request at once, to whichever processes.
          const keyed = newRequest();
          await Promise.all([ask(keyed), ask(keyed)]);
          return;
        }
        case 3: {
          const again = mine[random(Math.max(1, mine.length))];
          return again ? ask(again) : undefined;
        }
        case 4:
        case 5:
          return change();
        case 6:
          return read();
        default:
          if (random(3) > 0) return;
          person = newPerson();
          mine = [];
      }
    },
  };
}

export const isId = (answered: Keyed['answered']): answered is string => answered !== null && answered !== 'refused';
