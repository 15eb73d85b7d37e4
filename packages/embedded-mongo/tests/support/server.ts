import { type Db, MongoClient } from 'mongodb';
import { afterAll, beforeAll } from 'vitest';
import { type EmbeddedMongo, startEmbeddedMongo } from '../../src/index.ts';

export interface Fixture {
  readonly mongo: EmbeddedMongo;
  readonly client: MongoClient;
  /** A database that no other test uses. */
  freshDb(): Db;
}

let databases = 0;

/** One server for the tests of a file; each test takes a database of its own. */
export function useServer(): () => Fixture {
  let fixture: Fixture | undefined;
  beforeAll(async () => {
    const mongo = await startEmbeddedMongo();
    const client = await MongoClient.connect(mongo.uri);
    fixture = { mongo, client, freshDb: () => client.db(`test${++databases}`) };
  });
  afterAll(async () => {
    await fixture?.client.close();
    await fixture?.mongo.stop();
  });
  return () => {
    if (fixture === undefined) throw new Error('the server has not been started');
    return fixture;
  };
}
