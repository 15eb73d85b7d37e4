import { type Document, Long } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { useServer } from './support/server.ts';

const server = useServer();

async function numbered() {
  const c = server().freshDb().collection<{ _id: number; a: number; b: number }>('c');
  await c.createIndex({ a: 1, b: -1 });
  await c.insertMany(Array.from({ length: 9 }, (_, i) => ({ _id: i, a: Math.floor(i / 3), b: i % 3 })));
  return c;
}

describe('min and max (reference/method/cursor.min, cursor.max)', () => {
  test('bound the keys of an index, min among them and max not, in the order of each field', async () => {
    const c = await numbered();
    const ids = async (min: object | undefined, max: object | undefined): Promise<number[]> => {
      const options = { hint: { a: 1, b: -1 }, ...(min && { min }), ...(max && { max }) };
      return (await c.find({}, options).toArray()).map(({ _id }) => _id);
    };
    expect(await ids({ a: 1, b: 1 }, { a: 2, b: 0 })).toEqual([4, 3, 8, 7]);
    expect(await ids({ a: 2, b: 1 }, undefined)).toEqual([7, 6]);
    expect(await ids(undefined, { a: 0, b: 0 })).toEqual([2, 1]);
  });

  test('filter and sort hold beside them', async () => {
    const c = await numbered();
    const options = { hint: 'a_1_b_-1', min: { a: 1, b: 2 }, sort: { a: -1, b: 1 } } as const;
    expect((await c.find({ b: { $gt: 0 } }, options).toArray()).map(({ _id }) => _id)).toEqual([7, 8, 4, 5]);
  });

  test('they need the hint of an index that has just their fields, and an order', async () => {
    const c = await numbered();
    const hint = { a: 1, b: -1 };
    const refused = (options: object) => expect(c.find({}, options).toArray()).rejects;
    await refused({ min: { a: 1, b: 1 } }).toMatchObject({ code: 51173 });
    await refused({ min: { a: 1 }, hint }).toMatchObject({ code: 51174 });
    await refused({ min: { b: 1, a: 1 }, hint }).toMatchObject({ code: 51174 });
    await refused({ min: { a: 2, b: 1 }, max: { a: 1, b: 1 }, hint }).toMatchObject({ code: 51175 });
  });
});

describe('returnKey and showRecordId (reference/command/find)', () => {
  test('the key instead of the document, of the element that was found where there are several', async () => {
    const c = await numbered();
    expect(await c.find({ a: 1 }, { returnKey: true }).toArray()).toEqual([
      { a: 1, b: 2 },
      { a: 1, b: 1 },
      { a: 1, b: 0 },
    ]);
    expect(await c.find({ a: 2 }, { returnKey: true, sort: { _id: -1 }, limit: 1 }).toArray()).toEqual([
      { a: 2, b: 2 },
    ]);
    expect(await c.find({ b: 1 }, { returnKey: true, limit: 1 }).toArray()).toEqual([{}]);
    const both = { returnKey: true, showRecordId: true, sort: { _id: 1 }, limit: 1 } as const;
    expect(await c.find({}, both).toArray()).toEqual([{ _id: 0 }]);
    const lists = server().client.db(c.dbName).collection('lists');
    await lists.createIndex({ tags: 1 });
    await lists.insertOne({ tags: ['x', 'y'] });
    expect(await lists.find({ tags: 'y' }, { returnKey: true }).toArray()).toEqual([{ tags: 'y' }]);
  });

  test('record ids stand last, differ, and are longs', async () => {
    const c = await numbered();
    const shown = await c.find({}, { showRecordId: true, projection: { a: 1 }, promoteLongs: false }).toArray();
    expect(Object.keys(shown[0] ?? {})).toEqual(['_id', 'a', '$recordId']);
    const ids = shown.map((doc) => (doc as Document).$recordId as Long);
    expect(ids.every((id) => id instanceof Long)).toBe(true);
    expect(new Set(ids.map(String)).size).toBe(9);
  });

  test('a view knows none of them', async () => {
    const c = await numbered();
    await server().client.db(c.dbName).createCollection('v', { viewOn: 'c', pipeline: [] });
    for (const options of [{ returnKey: true }, { showRecordId: true }, { min: { a: 1 } }]) {
      await expect(server().client.db(c.dbName).collection('v').find({}, options).toArray()).rejects.toMatchObject({
        code: 168,
      });
    }
  });
});
