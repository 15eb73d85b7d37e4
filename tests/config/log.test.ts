import mongoose from 'mongoose';
import { describe, expect, it } from 'vitest';
import { createLog, errorFields } from '../../src/config/log.ts';

function logAt(level: 'debug' | 'info' | 'warn' | 'error' | 'silent') {
  const lines: string[] = [];
  return { log: createLog({ level, write: (line) => lines.push(line) }), lines };
}

describe('a log line', () => {
  it('is one JSON object with level, time, message and the named fields', () => {
    const { log, lines } = logAt('info');

    log.info('listening', { port: 8787, host: undefined, text: 'two\nlines' });

    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain('\n');
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      msg: 'listening',
      port: 8787,
      text: 'two\nlines',
    });
  });

  it.each([
    ['debug', ['debug', 'info', 'warn', 'error']],
    ['warn', ['warn', 'error']],
    ['silent', []],
  ] as const)('is written from the level %s on', (level, expected) => {
    const { log, lines } = logAt(level);

    log.debug('x');
    log.info('x');
    log.warn('x');
    log.error('x');

    expect(lines.map((line) => JSON.parse(line).level)).toEqual(expected);
  });

  it.each([
    ['a token', 'bad: eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2lnbmF0dXJl', 'bad: [token]'],
    ['a secret key', 'key sk_live_abcdef0123 failed', 'key [secret] failed'],
    ['a webhook secret', 'whsec_c2VjcmV0c2VjcmV0', '[secret]'],
    ['credentials', 'connect mongodb://root:hunter2@db/artifex', 'connect mongodb://[credentials]@db/artifex'],
  ])('keeps %s out, wherever a foreign text carries it', (_name, text, safe) => {
    const { log, lines } = logAt('info');

    log.info(text, { ...errorFields(new Error(text)), stack: undefined });

    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ msg: safe, errorMessage: safe });
  });

  it('keeps values out that a unique index or a model has refused, from the message, the cause and the stack', async () => {
    const address = 'anna\n}@example.com';
    const refusal = new Error(
      `E11000 duplicate key error collection: a.users index: email_1 dup key: { email: "${address}" }`,
    );
    const Person = mongoose.model(
      'LoggedPerson',
      new mongoose.Schema({ name: { type: String, maxlength: 3 }, age: Number }),
    );
    const invalid = await new Person({ name: address, age: address }).validate().catch((error: unknown) => error);
    const { log, lines } = logAt('info');

    log.error('first', errorFields(refusal));
    log.error('second', errorFields(new Error('a job failed', { cause: refusal })));
    log.error('third', errorFields(invalid));

    expect(lines.join()).not.toMatch(/anna|example\.com/);
    const [first, second, third] = lines.map((line) => JSON.parse(line));
    expect(first.errorMessage).toBe('E11000 duplicate key error collection: a.users index: email_1 dup key: [values]');
    expect(first.stack).toMatch(/dup key: \[values\]\n {4}at /);
    expect(second.cause).toContain('index: email_1 dup key: [values]');
    expect(third).toMatchObject({ error: 'ValidationError', errorMessage: 'refused: age, name' });
    expect(third.stack).toMatch(/^ValidationError: refused: age, name\n {4}at /);
  });
});
