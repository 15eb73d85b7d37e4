import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt, decodeProtectedHeader, importSPKI, jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readEnv } from '../../src/config/env.ts';
import { openDevelopmentKey, signSessionToken } from '../../src/identity/developmentKey.ts';
import { clerkTrust, DEVELOPMENT_ISSUER, developmentTrust } from '../../src/identity/sessionTrust.ts';
import { createTokenIssuer } from '../support/tokens.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'artifex-key-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

describe('the development key', () => {
  it('is made at the first use, in a folder that need not exist, for its owner alone', async () => {
    const folder = join(dataDir, 'deep', 'er');

    await openDevelopmentKey(folder);

    expect(await readdir(folder)).toEqual(['development-key.pem']);
    expect((await stat(join(folder, 'development-key.pem'))).mode & 0o777).toBe(0o600);
  });

  it('is the same one from then on', async () => {
    const first = await openDevelopmentKey(dataDir);
    const second = await openDevelopmentKey(dataDir);

    expect(second.publicKeyPem).toBe(first.publicKeyPem);
  });

  it('is one key, however many start at once', async () => {
    const keys = await Promise.all(Array.from({ length: 8 }, () => openDevelopmentKey(dataDir)));

    expect(new Set(keys.map(({ publicKeyPem }) => publicKeyPem)).size).toBe(1);
    expect(await readdir(dataDir)).toEqual(['development-key.pem']);
  });

  it('is a key that CLERK_JWT_KEY would take', async () => {
    const { publicKeyPem } = await openDevelopmentKey(dataDir);

    expect(readEnv({ CLERK_JWT_KEY: publicKeyPem }).clerk.jwtKey).toBe(publicKeyPem.trim());
  });

  it('is not replaced when its file is broken', async () => {
    await writeFile(join(dataDir, 'development-key.pem'), 'broken');

    await expect(openDevelopmentKey(dataDir)).rejects.toThrow();
    await expect(openDevelopmentKey(dataDir)).rejects.toThrow();
  });
});

describe('a development token', () => {
  it("is shaped as Clerk's session tokens are", async () => {
    const key = await openDevelopmentKey(dataDir);
    const before = Math.floor(Date.now() / 1000);

    const token = await signSessionToken(key, {
      clerkUserId: 'user_1',
      email: 'a@example.com',
      name: 'Ada',
      isAdmin: true,
      lifetimeSeconds: 60,
    });

    const verified = await jwtVerify(token, await importSPKI(key.publicKeyPem, 'RS256'), {
      issuer: DEVELOPMENT_ISSUER,
    });
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'RS256', typ: 'JWT' });
    expect(verified.payload).toMatchObject({
      sub: 'user_1',
      sid: expect.stringMatching(/^sess_/),
      email: 'a@example.com',
      name: 'Ada',
      metadata: { role: 'admin' },
    });
    const { iat = 0, nbf = 0, exp = 0 } = verified.payload;
    expect(iat).toBeGreaterThanOrEqual(before);
    expect([nbf, exp]).toEqual([iat, iat + 60]);
  });

  it('claims nothing that it was not given', async () => {
    const token = await signSessionToken(await openDevelopmentKey(dataDir), {
      clerkUserId: 'user_1',
      lifetimeSeconds: 60,
    });

    const claims = decodeJwt(token);
    for (const absent of ['email', 'name', 'metadata']) {
      expect(claims).not.toHaveProperty(absent);
    }
  });
});

describe('whose tokens are trusted', () => {
  it('nobody of Clerk, without CLERK_JWT_KEY', () => {
    expect(clerkTrust(readEnv({}).clerk)).toBeNull();
  });

  it('the instance of the publishable key, with CLERK_JWT_KEY', async () => {
    const issuer = await createTokenIssuer('clerk.shop.example');

    const { clerk } = readEnv({ CLERK_JWT_KEY: issuer.publicKeyPem, CLERK_PUBLISHABLE_KEY: issuer.publishableKey });

    expect(clerkTrust(clerk)).toMatchObject({
      jwtKey: issuer.publicKeyPem.trim(),
      issuer: 'https://clerk.shop.example',
      publishableKey: issuer.publishableKey,
    });
  });

  it('any issuer with that key, in development without a publishable key', async () => {
    const { publicKeyPem } = await createTokenIssuer();

    expect(clerkTrust(readEnv({ CLERK_JWT_KEY: publicKeyPem }).clerk)).toMatchObject({ issuer: null });
  });

  it('the development key under its own issuer, which no Clerk instance can have', () => {
    expect(new URL(developmentTrust('PEM').issuer ?? '').hostname).toMatch(/\.invalid$/);
  });
});
