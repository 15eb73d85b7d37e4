import { startEmbeddedMongo } from 'embedded-mongo';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** The address of a MongoDB server, without the name of a database. */
    mongodbServer: string;
  }
}

/** One server for all tests: the one of `MONGODB_URI`, else an embedded one. Every test file has a database of its own. */
export default async function startServer(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env['MONGODB_URI'];
  if (given !== undefined && given !== '') {
    project.provide('mongodbServer', given);
    return async () => {};
  }
  const server = await startEmbeddedMongo();
  project.provide('mongodbServer', server.uri);
  return () => server.stop();
}
