import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Hono } from 'hono';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDevelopmentKey } from '../../src/identity/developmentKey.ts';
import { developmentTrust } from '../../src/identity/sessionTrust.ts';
import { authenticate } from '../../src/middleware/auth.ts';
import type { UserEnv } from '../../src/middleware/context.ts';
import { edgeWith } from '../support/api.ts';
import { createTokenIssuer } from '../support/tokens.ts';

const SCRIPT = new URL('../../scripts/token.ts', import.meta.url).pathname;

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'artifex-token-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

function token(args: string[], environment: Record<string, string> = {}) {
  const env = { PATH: process.env['PATH'], ARTIFEX_DATA_DIR: dataDir, ...environment };
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const child = execFile(process.execPath, [SCRIPT, ...args], { env }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

describe('npm run token', () => {
  it('prints a token, alone, that the server takes for weeks', async () => {
    const { code, stdout } = await token(['user_7', '--email', 'a@example.com', '--name', 'Ada L', '--admin']);

    expect(code).toBe(0);
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const key = await openDevelopmentKey(dataDir);
    const { app } = edgeWith((edge) => {
      const routes = new Hono<UserEnv>().use(authenticate(developmentTrust(key.publicKeyPem)));
      edge.route(
        '/whoami',
        routes.get('/', (c) => c.json(c.var.auth)),
      );
    });
    const response = await app.request('/whoami', { headers: { Authorization: `Bearer ${stdout.trim()}` } });
    expect(await response.json()).toEqual({
      clerkUserId: 'user_7',
      email: 'a@example.com',
      name: 'Ada L',
      isAdmin: true,
    });
  });

  it.each([
    ['no user', []],
    ['an empty user', ['']],
    ['two users', ['user_1', 'user_2']],
    ['an unknown option', ['user_1', '--root']],
    ['an option without its value', ['user_1', '--email']],
  ])('shows its usage for %s', async (_name, args) => {
    const { code, stdout, stderr } = await token(args);

    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('Usage: npm run token -- CLERK_USER_ID [--email E] [--name N] [--admin]');
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('refuses in production, in one line', async () => {
    const { code, stdout, stderr } = await token(['user_1'], { NODE_ENV: 'production' });

    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^NODE_ENV is production: .+\n$/);
  });

  it('refuses where CLERK_JWT_KEY is set, since nobody would trust the token', async () => {
    const { publicKeyPem } = await createTokenIssuer();

    const { code, stdout, stderr } = await token(['user_1'], { CLERK_JWT_KEY: publicKeyPem });

    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^CLERK_JWT_KEY is set: .+\n$/);
  });

  it('names a variable that is bad', async () => {
    const { code, stderr } = await token(['user_1'], { NODE_ENV: 'staging' });

    expect(code).toBe(1);
    expect(stderr).toMatch(/^NODE_ENV is "staging": .+\n$/);
  });
});
