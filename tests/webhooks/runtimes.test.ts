import { describe, expect, it } from 'vitest';
import { startProcess } from '../support/processes.ts';
import { check } from './runtimes/check.ts';

const thanks = { status: 200, retryAfter: '7' };
const EXPECTED = {
  delivered: thanks,
  // Its name was looked up once, and the connection went to that answer.
  rebound: thanks,
  asked: 1,
  secure: thanks,
  untrusted: { error: 'tls_failed' },
  expired: { error: 'tls_failed' },
  'of another name': { error: 'tls_failed' },
  redirected: { status: 307 },
  endless: { status: 200 },
  'nobody listens': { error: 'connection_failed' },
  'hangs up': { error: 'connection_failed' },
  silent: { error: 'timeout' },
  'a name server that is silent': { error: 'timeout' },
  'no such name': { error: 'name_not_found' },
  'an address of this machine': { error: 'address_not_allowed' },
  'one of two addresses': { error: 'address_not_allowed' },
  stopped: 'stopping',
  reached: [
    'endless POST /endless',
    'first POST /delivered',
    'first POST /rebound',
    'redirecting POST /from',
    'secure POST /secure',
  ],
};

const SCRIPT = 'tests/webhooks/runtimes/print.ts';

describe('a delivery goes to the address that was checked, over TLS that proves its name, and nowhere else', () => {
  it('here', async () => {
    expect(await check()).toEqual(EXPECTED);
  });

  it.each([
    ['Node', 'node', [SCRIPT]],
    ['Bun', 'bun', [SCRIPT]],
    [
      'Deno',
      'deno',
      ['run', '--no-check', '--quiet', '--allow-net', '--allow-sys', '--allow-env', '--allow-read', SCRIPT],
    ],
  ])('on %s', { timeout: 60_000 }, async (_name, bin, args) => {
    const process = startProcess(bin, args, {});
    await process.closed;
    expect(JSON.parse(process.output.join(''))).toEqual(EXPECTED);
  });
});
