import { Types } from 'mongoose';
import { afterAll, beforeAll } from 'vitest';
import type { TestStore } from './database.ts';
import { type Runtime, type ServerProcess, startServer, temporaryFolder } from './processes.ts';
import { createTokenIssuer, type TokenIssuer } from './tokens.ts';

/** Real API processes over one database. */
export interface Cluster {
  start(runtime: Runtime, env?: Record<string, string>): Promise<ServerProcess>;
  /** The `Authorization` of a person, for ten minutes. */
  authorizationOf(clerkUserId: string): Promise<string>;
  newPerson(): string;
}

/** Processes over the database of `store`; all are ended when the file's tests have ended. */
export function useCluster(store: TestStore): Cluster {
  const started: ServerProcess[] = [];
  let issuer: TokenIssuer;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    issuer = await createTokenIssuer();
    folder = await temporaryFolder();
  });
  afterAll(async () => {
    await Promise.all(started.map((server) => server.kill()));
    await folder.remove();
  });
  return {
    async start(runtime, env = {}) {
      const server = await startServer(runtime, {
        MONGODB_URI: store.uri,
        ARTIFEX_DATA_DIR: folder.path,
        CLERK_JWT_KEY: issuer.publicKeyPem,
        CLERK_PUBLISHABLE_KEY: issuer.publishableKey,
        ...env,
      });
      started.push(server);
      return server;
    },
    async authorizationOf(sub) {
      return `Bearer ${await issuer.sign({ sub, exp: Math.floor(Date.now() / 1000) + 600 })}`;
    },
    newPerson: () => `user_${new Types.ObjectId().toHexString()}`,
  };
}
