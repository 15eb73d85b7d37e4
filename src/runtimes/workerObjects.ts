import { Hono } from 'hono';
import type { Env } from '../config/env.ts';
import type { Log } from '../config/log.ts';
import { ArtifexError } from '../domain/errors.ts';
import type { EdgeEnv } from '../middleware/context.ts';
import { problemHandler } from '../middleware/problem.ts';
import { requestId } from '../middleware/requestId.ts';
import type { Bindings } from './workerSetup.ts';

/** https://developers.cloudflare.com/durable-objects/api/namespace/ */
export interface ObjectNamespace {
  getByName(name: string): { fetch(request: Request): Promise<Response> };
}

/** The binding of wrangler.toml. */
const BINDING = 'API_OBJECTS';

/** The objects that hold connections, where the deployment has them. */
export function objectsOf(bindings: Bindings): ObjectNamespace | null {
  const bound = bindings[BINDING];
  return isNamespace(bound) ? bound : null;
}

function isNamespace(value: unknown): value is ObjectNamespace {
  return typeof value === 'object' && value !== null && 'getByName' in value && typeof value.getByName === 'function';
}

/**
 * Lets one of the objects answer, for a caller always the same one, so that what it remembers of a user is of use. It is chosen by the
 * token as it stands: the object alone believes or refuses it, and there is nothing to be won by being sent to another.
 */
export async function askObject(
  objects: ObjectNamespace,
  request: Request,
  { env, log }: { env: Env; log: Log },
): Promise<Response> {
  const number = hashOf(subjectOf(request) ?? crypto.randomUUID()) % env.edge.durableObjects;
  try {
    return await objects.getByName(`api-${number}`).fetch(request);
  } catch (error) {
    return unreached(request, error, log);
  }
}

/** Who the bearer says it is, unverified. */
function subjectOf(request: Request): string | undefined {
  const payload = request.headers.get('Authorization')?.split('.')[1];
  if (payload === undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')));
    if (typeof claims !== 'object' || claims === null || !('sub' in claims)) return undefined;
    return typeof claims.sub === 'string' ? claims.sub : undefined;
  } catch {
    return undefined;
  }
}

/** FNV-1a (RFC 9923), 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** An object that is overloaded, was moved or restarted: https://developers.cloudflare.com/durable-objects/best-practices/error-handling/ */
function unreached(request: Request, cause: unknown, log: Log): Response | Promise<Response> {
  return new Hono<EdgeEnv>()
    .onError(problemHandler(log))
    .use(requestId())
    .all('*', () => {
      throw new ArtifexError('unavailable', 'The service is busy or being moved. Try again in a moment.', { cause });
    })
    .fetch(request);
}
