import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { isSafeName, safeName, unsafeNames } from '@/middleware/safeNames.ts';
import { jsonBody } from '@/middleware/validate.ts';
import { edgeWith, problemOf } from '../../support/api.ts';

/** A route that takes whatever JSON object it is given. */
function takingAnything() {
  return edgeWith((edge) => {
    edge.post('/', jsonBody(z.record(z.string(), z.unknown())), (c) => c.json(c.req.valid('json')));
  }).app;
}

const send = (body: string) =>
  takingAnything().request('/', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });

describe('the names of a free object', () => {
  it.each([
    ['{"$where":"1"}', '$where'],
    ['{"a":{"$gt":""}}', 'a.$gt'],
    ['{"a":[1,{"b":{"$set":{}}}]}', 'a.1.b.$set'],
    ['{"charge.credits":0}', 'charge.credits'],
    ['{"a":{"__proto__":{"isAdmin":true}}}', 'a.__proto__'],
    ['{"constructor":{"prototype":{}}}', 'constructor'],
    ['{"a\\u0000b":1}', 'a\0b'],
  ])('are refused in %s', async (body, path) => {
    const problem = await problemOf(await send(body));
    expect(problem).toMatchObject({ status: 400, code: 'validation_failed', errors: [{ path }] });
  });

  it('are all named', async () => {
    const problem = await problemOf(await send('{"$a":1,"b":{"$c":1,"d.e":2},"f":3}'));
    expect(problem['errors']).toMatchObject([{ path: '$a' }, { path: 'b.$c' }, { path: 'b.d.e' }]);
  });

  it('may be anything else, and values may be anything at all', async () => {
    const body = { a$: 1, 'price-€': '$where', nested: { list: ['a.b', { ok: null }] }, '': 0 };
    const answer = await send(JSON.stringify(body));
    expect([answer.status, await answer.json()]).toEqual([200, body]);
  });

  it('are judged at any depth, deeper than a stack', () => {
    const depth = 200_000;
    const deep: unknown = Array.from({ length: depth }).reduce((inner) => ({ a: inner }), { $x: 1 });
    expect(unsafeNames(deep)).toHaveLength(1);
  });

  it('that pass never begin with $ nor hold a dot, whatever is tried', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('$', '.', 'a', '\0', '_') }), (name) => {
        expect(isSafeName(name)).toBe(!name.startsWith('$') && !name.includes('.') && !name.includes('\0'));
        expect(safeName.safeParse(name).success).toBe(isSafeName(name) && name.length > 0);
      }),
    );
  });
});
