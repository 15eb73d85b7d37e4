import fc from 'fast-check';
import mongoose, { Types } from 'mongoose';
import { describe, expect, it } from 'vitest';
import { systemClock } from '@/domain/clock.ts';
import { createModels } from '@/models/index.ts';
import { postingStatement } from '@/models/statements/posting/statement.ts';
import { shapeOf } from '@/observability/shape.ts';
import { vocabularyOf } from '@/observability/vocabulary.ts';

const connection = mongoose.createConnection();
createModels(connection, systemClock());
const vocabulary = vocabularyOf(connection);
const isKnown = (segment: string) => vocabulary.has(segment);

describe('the shape of a command', () => {
  it.each<[Record<string, unknown>, string]>([
    [{ find: 'users', filter: { email: 'a@example.com' }, limit: 1 }, '{filter: {email: ?}, limit: ?}'],
    [
      {
        find: 'imagegenerations',
        filter: { userId: new Types.ObjectId(), createdAt: { $lt: new Date() } },
        sort: { _id: -1 },
      },
      '{filter: {userId: ?, createdAt: {$lt: ?}}, sort: {_id: ?}}',
    ],
    [{ find: 'users', filter: { 'openEntries.k123': { $exists: true } } }, '{filter: {openEntries.?: {$exists: ?}}}'],
    [{ find: 'users', filter: { $or: [{ email: 'a' }, { secret: 'b' }] } }, '{filter: {$or: [{email: ?}, {?: ?}]}}'],
    [
      { update: 'users', updates: [{ q: { _id: 1 }, u: { $set: { name: 'Ada' }, $unset: { sweepAt: 1 } } }] },
      '{updates: [{_id: ?} → {$set: {name: ?}, $unset: {sweepAt: ?}}]}',
    ],
    [{ insert: 'users', documents: [{ email: 'a@example.com' }] }, '{documents: [?]}'],
    [{ delete: 'users', deletes: [{ q: { email: 'a' }, limit: 1 }] }, '{deletes: [{email: ?}]}'],
    [
      {
        aggregate: 'users',
        pipeline: [{ $match: { status: { $in: ['a'] } } }, { $group: { _id: '$email', total: { $sum: 1 } } }],
      },
      '{pipeline: [{$match: {status: {$in: ?}}}, {$group: {_id: ?, ?: ?}}]}',
    ],
    [{ getMore: 12, collection: 'users' }, '{}'],
  ])('%j is told as %s', (command, shape) => {
    expect(shapeOf(command, isKnown)).toBe(shape);
  });

  it('of a charge names no key and no prompt', () => {
    const id = new Types.ObjectId();
    const posting = { id, kind: 'charge', credits: 1, key: 'c0ffee', fingerprint: 'f00d', reason: 'A secret' } as const;
    const update = postingStatement(posting, new Types.ObjectId(), new Date());
    const shape = shapeOf({ findAndModify: 'users', query: { clerkUserId: 'user_1' }, update }, isKnown);
    expect(shape).toMatch(/^\{query: \{clerkUserId: \?\}, update: \[/);
    expect(shape).not.toMatch(/c0ffee|f00d|secret|user_1/);
    expect(shape).not.toContain(id.toHexString());
  });

  it('holds nothing that is not of the vocabulary, whatever a command carries (seed 1)', () => {
    const words = new Set<string>(vocabulary);
    // Every value, and every key that somebody else could have chosen, carries this mark.
    const marked = fc.string({ maxLength: 30 }).map((text) => `§${text}`);
    const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        marked,
        marked.map((text) => new Types.ObjectId(Buffer.from(text.padEnd(12, 'x')).subarray(0, 12))),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(marked, tie('value'), { maxKeys: 3 }),
        fc.dictionary(
          marked.map((text) => `$${text}`),
          tie('value'),
          { maxKeys: 2 },
        ),
      ),
    })).value;
    const field = fc.constantFrom('email', 'status', 'openEntries', 'metadata', 'createdAt');
    const path = fc.oneof(
      field,
      fc.tuple(field, marked).map((segments) => segments.join('.')),
      marked,
    );
    const operator = fc.constantFrom('$eq', '$in', '$gt', '$not', '$elemMatch', '$exists');
    const filter = fc.dictionary(
      fc.oneof(path, fc.constantFrom('$and', '$or', '$expr', '$comment')),
      fc.oneof(
        value,
        fc.dictionary(operator, value, { maxKeys: 2 }),
        fc.array(fc.dictionary(path, value), { maxLength: 2 }),
      ),
      { maxKeys: 4 },
    );
    const changes = fc.dictionary(
      fc.constantFrom('$set', '$inc', '$push', '$unset', '$match', '$group', '$lookup'),
      fc.dictionary(path, value),
    );
    const command = fc.record(
      {
        find: marked,
        filter,
        query: filter,
        sort: fc.oneof(
          fc.dictionary(path, value),
          fc.array(fc.tuple(path, value)).map((pairs) => new Map(pairs)),
        ),
        projection: fc.dictionary(path, value),
        update: fc.oneof(changes, fc.array(changes), value),
        updates: fc.array(fc.record({ q: filter, u: fc.oneof(changes, value) })),
        deletes: fc.array(fc.record({ q: filter })),
        pipeline: fc.array(fc.oneof(changes, fc.dictionary(marked, value))),
        documents: fc.array(value),
        comment: value,
        let: value,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(command, (drawn) => {
        const shape = shapeOf(drawn, isKnown);
        expect(shape).not.toContain('§');
        for (const word of shape.match(/[^\s{}[\],:.?→…]+/g) ?? []) {
          expect(word.startsWith('$') || words.has(word) || PARTS.has(word)).toBe(true);
        }
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});

const PARTS = new Set(
  'filter query sort projection fields update updates deletes pipeline documents limit skip'.split(' '),
);
