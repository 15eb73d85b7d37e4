import { HTTPException } from 'hono/http-exception';
import mongoose from 'mongoose';
import { describe, expect, it } from 'vitest';
import { ArtifexError, ERROR_STATUS, InsufficientQuotaError, UserNotFoundError } from '../../../src/domain/errors.ts';
import { PROBLEM_TYPES } from '../../../src/middleware/problemTypes.ts';
import { Refusal } from '../../../src/middleware/refusal.ts';
import { edgeWith, problemOf } from '../../support/api.ts';

const { MongoError, MongoNetworkError, MongoNotConnectedError, MongoServerError } = mongoose.mongo;

/** An API whose only route throws what it is given. */
function apiThrowing(thrown: unknown) {
  return edgeWith((edge) => {
    edge.on(['GET', 'POST'], '/things/:id', () => {
      throw thrown;
    });
  });
}

function answerTo(thrown: unknown) {
  return apiThrowing(thrown).app.request('/things/7?secret=x');
}

describe('a problem (RFC 9457)', () => {
  it('says type, title, status, detail, instance and code', async () => {
    const response = await answerTo(new UserNotFoundError());

    expect(await problemOf(response)).toEqual({
      type: '/docs#not_found',
      title: 'Not found',
      status: 404,
      detail: 'User not found',
      instance: '/things/7',
      code: 'not_found',
    });
  });

  it('adds what the error knows besides', async () => {
    const quota = {
      tier: 'free',
      limit: 10,
      used: 10,
      remaining: 0,
      resetsAt: new Date('2026-02-01T00:00:00Z'),
    } as const;

    const response = await answerTo(new InsufficientQuotaError(quota));

    expect(response.status).toBe(402);
    expect(await problemOf(response)).toMatchObject({
      code: 'insufficient_quota',
      detail: 'Insufficient quota remaining',
      quota: { ...quota, resetsAt: '2026-02-01T00:00:00.000Z' },
    });
  });

  it.each(Object.entries(ERROR_STATUS))('of code %s has the status %i and a title', async (code, status) => {
    const known = Object.keys(PROBLEM_TYPES).find((word): word is keyof typeof PROBLEM_TYPES => word === code);
    if (!known) throw new Error(`${code} has no problem type`);

    const problem = await problemOf(await answerTo(new ArtifexError(known, 'Because.')));

    expect(problem).toMatchObject({ code, status, title: PROBLEM_TYPES[known].title });
  });

  it('keeps the header fields that a refusal brings', async () => {
    const response = await answerTo(new Refusal('rate_limited', 'Wait.', { 'Retry-After': '12' }));

    expect(response.headers.get('Retry-After')).toBe('12');
  });

  it('of code unauthenticated names the scheme', async () => {
    const response = await answerTo(new ArtifexError('unauthenticated', 'Who are you?'));

    expect(response.headers.get('WWW-Authenticate')).toBe('Bearer realm="artifex"');
  });
});

describe('what nobody foresaw', () => {
  it('is an internal error that tells nothing, and is logged once with the id of the request', async () => {
    const { app, lines } = apiThrowing(new Error('password is hunter2', { cause: new Error('deeper') }));

    const response = await app.request('/things/7', { headers: { 'X-Request-Id': 'r-1' } });

    const problem = await problemOf(response.clone());
    expect(problem.code).toBe('internal');
    expect(await response.text()).not.toMatch(/hunter2|deeper|Error:|\.ts/);
    expect(lines.filter(({ level }) => level === 'error')).toEqual([
      expect.objectContaining({
        msg: 'request failed',
        requestId: 'r-1',
        errorMessage: 'password is hunter2',
        cause: 'Error: deeper',
      }),
    ]);
  });

  it.each([['text'], [undefined], [{ code: 'not_found' }]])('may be no error at all (%s)', async (thrown) => {
    const response = await answerTo(thrown);

    expect((await problemOf(response)).code).toBe('internal');
    expect(response.headers.get('X-Request-Id')).toBeTruthy();
  });
});

describe('503 unavailable, with Retry-After', () => {
  it.each<[string, () => Error]>([
    ['no server can be selected', () => named('MongoServerSelectionError')],
    ['no server can be selected, as Mongoose says it', () => new mongoose.Error.MongooseServerSelectionError('x')],
    ['the network fails', () => new MongoNetworkError('connection 1 to 127.0.0.1:27017 closed')],
    ['the pool was cleared', () => named('MongoPoolClearedError')],
    ['there is no connection', () => new MongoNotConnectedError('Client must be connected')],
    ['the operation ran out of time', () => named('MongoOperationTimeoutError')],
    ['the server steps down', () => retryable()],
    ['the server steps down under a read', () => new MongoServerError({ message: 'not primary', code: 13435 })],
    ['the server shuts down', () => new MongoServerError({ message: 'interrupted', code: 11600 })],
    [
      'Mongoose gave up buffering',
      () => new mongoose.Error('Operation `users.findOne()` buffering timed out after 10000ms'),
    ],
    ['one of these is the cause', () => new Error('lookup failed', { cause: named('MongoServerSelectionError') })],
  ])('when %s', async (_name, make) => {
    const { app, lines } = apiThrowing(make());

    const response = await app.request('/things/7');

    expect(await problemOf(response)).toMatchObject({ code: 'unavailable' });
    expect(Number(response.headers.get('Retry-After'))).toBeGreaterThan(0);
    expect(lines.map(({ level }) => level)).not.toContain('error');
  });

  it('calls a repeat safe only where it is the same request', async () => {
    const { app } = apiThrowing(named('MongoNetworkError'));
    const detailOf = async (init: RequestInit) => (await problemOf(await app.request('/things/7', init))).detail;

    expect(await detailOf({ method: 'GET' })).toMatch(/It is safe to repeat/);
    expect(await detailOf({ method: 'POST', headers: { 'Idempotency-Key': 'k' } })).toMatch(/It is safe to repeat/);
    expect(await detailOf({ method: 'POST' })).toMatch(/may have taken effect/);
  });

  it('not for a duplicate key, which is a fault of ours', async () => {
    const duplicate = new MongoServerError({ message: 'E11000 duplicate key', code: 11000 });

    expect((await problemOf(await answerTo(duplicate))).code).toBe('internal');
  });

  function named(name: string): Error {
    return Object.defineProperty(new MongoError(name), 'name', { value: name });
  }

  function retryable(): Error {
    return new MongoServerError({ message: 'not primary', code: 10107, errorLabels: ['RetryableWriteError'] });
  }
});

describe('what Mongoose refuses', () => {
  const Thing = new mongoose.Mongoose().model(
    'Thing',
    new mongoose.Schema({ name: { type: String, required: true }, size: { type: Number, max: 5 } }),
  );

  it('is validation_failed with one error per path', async () => {
    const refused = await new Thing({ size: 9 }).validate().catch((error: unknown) => error);

    const problem = await problemOf(await answerTo(refused));

    expect(problem.code).toBe('validation_failed');
    expect(problem.errors?.map(({ path }) => path).sort()).toEqual(['name', 'size']);
  });

  it('does not quote a value that breaks a rule', async () => {
    const schema = { mood: { type: String, enum: ['calm'], maxlength: 3 } };
    const Person = new mongoose.Mongoose().model('Person', new mongoose.Schema(schema));
    const refused = await new Person({ mood: 'hunter2' }).validate().catch((error: unknown) => error);

    expect(await (await answerTo(refused)).text()).not.toContain('hunter2');
  });

  it('does not quote a value that has the wrong type', async () => {
    const refused = await new Thing({ name: 'x', size: { secret: 'hunter2' } })
      .validate()
      .catch((error: unknown) => error);

    const problem = await problemOf(await answerTo(refused));

    expect(problem.errors).toEqual([{ path: 'size', message: 'Invalid value: expected Number' }]);
  });
});

describe("Hono's own exceptions", () => {
  it.each([
    [400, 'malformed_json'],
    [401, 'unauthenticated'],
    [403, 'forbidden'],
    [404, 'not_found'],
    [413, 'payload_too_large'],
    [500, 'internal'],
    [418, 'internal'],
  ] as const)('of status %i are %s', async (status, code) => {
    expect((await problemOf(await answerTo(new HTTPException(status, { message: 'x' })))).code).toBe(code);
  });
});
