import { EJSON } from 'bson';
import type { Document } from 'mongodb';
import { describe, expect, test } from 'vitest';
import type { Fixture } from './server.ts';

export type PipelineCase = [name: string, docs: Document[], pipeline: Document[], results: unknown[]];
export type RefusedPipeline = [name: string, pipeline: Document[], code: number];

/** Tables of pipelines over a collection `c`, each under the page of the manual that it follows. */
export function pipelineTables(server: () => Fixture): {
  cases: (page: string, list: PipelineCase[]) => void;
  refused: (page: string, list: RefusedPipeline[]) => void;
} {
  return {
    cases(page, list) {
      describe(page, () => {
        test.each(list)('%s', async (_name, docs, pipeline, results) => {
          const collection = server().freshDb().collection('c');
          if (docs.length > 0) await collection.insertMany(docs.map((doc, i) => ({ _id: i as never, ...doc })));
          const found = await collection.aggregate(pipeline, { promoteValues: false }).toArray();
          expect(EJSON.stringify(found, { relaxed: false })).toBe(EJSON.stringify(results, { relaxed: false }));
        });
      });
    },
    refused(page, list) {
      describe(`${page} (refused)`, () => {
        test.each(list)('%s', async (_name, pipeline, code) => {
          const collection = server().freshDb().collection('c');
          await collection.insertOne({ a: 1 });
          await expect(collection.aggregate(pipeline).toArray()).rejects.toMatchObject({ code });
        });
      });
    },
  };
}
