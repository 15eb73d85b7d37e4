import type { Hono } from 'hono';
import { createMiddleware } from 'hono/factory';
import { TrieRouter } from 'hono/router/trie-router';
import { ArtifexError } from '../domain/errors.ts';
import type { EdgeEnv } from './context.ts';
import { Refusal } from './refusal.ts';

/**
 * Refuses unknown paths (404) and unknown methods (405 with `Allow`, RFC 9110 section 15.5.6) before any other
 * middleware asks for a token or reads a body, and answers OPTIONS. The table is made from the app's own routes at the
 * first request, after which Hono takes no more routes: it cannot be stale. `.use` and `.all` count as middleware.
 */
export function knownRoutesOnly(app: Hono<EdgeEnv>) {
  let methodsAt: ((path: string) => string[]) | undefined;

  return createMiddleware<EdgeEnv>(async function refuseUnknownRoutes(c, next) {
    methodsAt ??= methodTable(app);
    const allowed = methodsAt(c.req.path);
    if (allowed.length === 0) {
      throw new ArtifexError('not_found', 'There is nothing at this address.');
    }
    if (c.req.method === 'OPTIONS') {
      return c.body(null, 204, { Allow: allowed.join(', ') });
    }
    if (!allowed.includes(c.req.method)) {
      const allow = allowed.join(', ');
      throw new Refusal('method_not_allowed', `This address answers ${allow}.`, { Allow: allow });
    }
    return next();
  });
}

function methodTable(app: Hono<EdgeEnv>): (path: string) => string[] {
  const router = new TrieRouter<string>();
  const seen = new Set<string>();
  for (const { method, path } of app.routes) {
    if (method !== 'ALL' && !seen.has(`${method} ${path}`)) {
      seen.add(`${method} ${path}`);
      router.add('ALL', path, method);
    }
  }
  return function allowedMethods(path) {
    const methods = new Set(router.match('ALL', path)[0].map(([method]) => method));
    if (methods.size > 0) {
      methods.add('OPTIONS');
    }
    if (methods.has('GET')) {
      methods.add('HEAD');
    }
    return [...methods].sort();
  };
}
