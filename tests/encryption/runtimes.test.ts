import { describe, expect, it } from 'vitest';
import { startProcess, temporaryFolder } from '../support/processes.ts';
import { check } from './runtimes/check.ts';

/**
 * The hashes were computed by another implementation of HKDF (RFC 5869) and HMAC (RFC 2104); the sealed value was opened by another
 * one of AES-GCM. Whatever changes them makes stored data unreadable.
 */
const EXPECTED = {
  sealedOnce: 'cus_123',
  sealedNow: 'cus_123',
  hashes: ['nOvPmRgVmPSUPjU81To7kyWi6Dyv_YyyX4UvAkmxVf8'],
  searchHashes: ['nOvPmRgVmPSUPjU81To7kyWi6Dyv_YyyX4UvAkmxVf8', 'e8pKQiuP-GAs5aUHfjm3WusAXAO0_-R5fTJo0DgSMjU'],
  refused: true,
};

const PATIENCE_MS = 90_000;
const SCRIPT = 'tests/encryption/runtimes/print.ts';

describe('encryption is the same for ever, and', () => {
  it('here', async () => {
    expect(await check()).toEqual(EXPECTED);
  });

  it.each([
    ['Node', 'node', [SCRIPT]],
    ['Bun', 'bun', [SCRIPT]],
    ['Deno', 'deno', ['run', '--no-check', '--quiet', SCRIPT]],
  ])('on %s', async (_name, bin, args) => {
    const process = startProcess(bin, args, {});
    await process.closed;
    expect(JSON.parse(process.output.join(''))).toEqual(EXPECTED);
  });

  it('in workerd', { timeout: PATIENCE_MS }, async () => {
    const folder = await temporaryFolder();
    const args = [
      'dev',
      '--config',
      'tests/encryption/runtimes/wrangler.toml',
      '--ip',
      '127.0.0.1',
      '--port',
      '0',
      '--inspector-port',
      '0',
    ];
    const wrangler = startProcess('wrangler', [...args, '--persist-to', folder.path], {
      HOME: folder.path,
      CI: 'true',
      WRANGLER_SEND_METRICS: 'false',
      CLOUDFLARE_CF_FETCH_ENABLED: 'false',
    });
    try {
      const url = await wrangler.waitFor((line) => /Ready on (http:\S+)/.exec(line)?.[1]);
      expect(await (await fetch(url)).json()).toEqual(EXPECTED);
    } finally {
      await wrangler.end();
      await folder.remove();
    }
  });
});
