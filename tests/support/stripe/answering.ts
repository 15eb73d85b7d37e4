import { expanded } from './expansion.ts';
import type { Done } from './faults.ts';
import { type Params, parseForm } from './form.ts';
import { type Answer, Idempotency } from './idempotency.ts';
import { Refusal } from './refusals.ts';
import { routeOf } from './routes.ts';
import type { World } from './world.ts';

/** One request to the API, however it came. */
export interface Asked {
  method: string;
  path: string;
  body: string;
  params: Params;
  idempotencyKey: string | undefined;
  authorization: string | undefined;
  /** What comes of it in place of what was asked. */
  failure?: Answer | undefined;
}

export const paramsOf = (method: string, search: string, body: string): Params =>
  parseForm(method === 'GET' || body === '' ? search.slice(1) : body);

/** Answers requests out of a world, as Stripe would. */
export function answeringFor(world: World): (asked: Asked) => Done {
  const idempotency = new Idempotency();

  function handled({ method, path, body, params, idempotencyKey: key, authorization, failure }: Asked) {
    if (!/^Bearer [sr]k_/.test(authorization ?? ''))
      throw new Refusal(401, { message: 'You did not provide an API key.' });
    if (world.revokedKeys.has(authorization?.slice('Bearer '.length) ?? ''))
      throw new Refusal(401, { message: 'Invalid API Key provided: sk_test_****oked', code: 'api_key_expired' });
    const route = routeOf(method, path);
    if (!route) throw new Refusal(404, { message: `Unrecognized request URL (${method}: ${path}).` });
    const request = `${method} ${path} ${body}`;
    const known = key === undefined ? null : idempotency.recall(key, request, world.now);
    if (known) return { answer: known, isReplay: true };
    const made = failure ?? answered(() => expanded(world, route.handler(world, params, route.id), params));
    if (key !== undefined) idempotency.remember(key, request, made, world.now);
    return { answer: made, isReplay: false };
  }

  return (asked) => {
    try {
      return handled(asked);
    } catch (error) {
      return { answer: refusal(error), isReplay: false };
    }
  };
}

/** Refusals of what was asked are answers like others, and repeated under their key. */
function answered(work: () => unknown): Answer {
  try {
    return { status: 200, body: work() };
  } catch (error) {
    return refusal(error);
  }
}

function refusal(error: unknown): Answer {
  if (error instanceof Refusal) return { status: error.status, body: error.body };
  throw error;
}
