import mongoose, { type Connection, Schema } from 'mongoose';
import { describe, expect, onTestFinished, test } from 'vitest';
import { useServer } from './support/server.ts';

const server = useServer();
let databases = 0;

/** A connection to a database of its own. */
async function connect(): Promise<Connection> {
  const connection = mongoose.createConnection(server().mongo.uriFor(`mongoose${++databases}`));
  onTestFinished(() => connection.close());
  return connection.asPromise();
}

const indexNames = async (model: { listIndexes(): Promise<{ name?: string }[]> }): Promise<(string | undefined)[]> =>
  (await model.listIndexes()).map(({ name }) => name);

describe('indexes of schemas', () => {
  test('every kind that a schema can declare lets the model initialise, and is in step afterwards', async () => {
    const schema = new Schema({
      title: { type: String, text: true },
      key: { type: String, index: 'hashed' },
      email: { type: String, unique: true, sparse: true },
      seen: { type: Date, expires: '1m' },
      flat: { type: [Number], index: '2d' },
      extra: Map,
      at: { type: { type: String, enum: ['Point'] }, coordinates: { type: [Number], default: undefined } },
    });
    schema.index({ at: '2dsphere' });
    schema.index({ 'extra.$**': 1 });
    schema.index({ title: 1, seen: -1 }, { partialFilterExpression: { title: { $type: 'string' } }, name: 'recent' });
    const Thing = (await connect()).model('Thing', schema);
    await Thing.init();
    expect(await Thing.diffIndexes()).toEqual({ toDrop: [], toCreate: [] });
    expect(await indexNames(Thing)).toHaveLength(9);
    await Thing.create({ title: 'a', key: 'k', flat: [1, 2], extra: { x: 1 } });
    await Thing.create({ at: { type: 'Point', coordinates: [8, 47] } });
    expect(await Thing.countDocuments({ key: 'k', 'extra.x': 1 })).toBe(1);
  });

  test('syncIndexes drops what the schema has no more, and creates what is new', async () => {
    const connection = await connect();
    const Old = connection.model('Old', new Schema({ a: { type: Number, index: true }, b: String }), 'things');
    await Old.init();
    const schema = new Schema({ a: { type: Number, unique: true }, b: { type: String } }, { autoIndex: false });
    schema.index({ b: 'text' }, { weights: { b: 3 }, default_language: 'german' });
    const New = connection.model('New', schema, 'things');
    expect((await New.diffIndexes()).toDrop).toEqual(['a_1']);
    expect(await New.syncIndexes()).toEqual(['a_1']);
    expect(await New.syncIndexes()).toEqual([]);
    expect(await indexNames(New)).toEqual(['_id_', 'a_1', 'b_text']);
  });

  test('a unique index of a discriminator holds for its own kind only', async () => {
    const Base = (await connect()).model('Base', new Schema({}, { discriminatorKey: 'kind' }));
    const User = Base.discriminator('User', new Schema({ email: { type: String, unique: true } }));
    await Promise.all([Base.init(), User.init()]);
    await Base.create([{}, {}]);
    await User.create({ email: 'a' });
    await expect(User.create({ email: 'a' })).rejects.toMatchObject({ code: 11000, keyValue: { email: 'a' } });
    expect(await Base.countDocuments()).toBe(3);
    expect(await User.countDocuments()).toBe(1);
  });
});

describe('kinds of collections', () => {
  test('a capped schema keeps the newest, and a tailable query follows it', async () => {
    const schema = new Schema({ n: Number }, { capped: { size: 8192, max: 2 } });
    const Log = (await connect()).model('Log', schema);
    await Log.init();
    for (const n of [1, 2, 3]) await Log.create({ n });
    const cursor = Log.find().tailable().setOptions({ awaitData: true }).cursor();
    expect((await cursor.next())?.n).toBe(2);
    expect((await cursor.next())?.n).toBe(3);
    const next = cursor.next();
    await Log.create({ n: 4 });
    expect((await next)?.n).toBe(4);
    await cursor.close();
  });

  test('a time series schema stores measurements', async () => {
    const schema = new Schema(
      { at: Date, sensor: String, value: Number },
      { timeseries: { timeField: 'at', metaField: 'sensor' }, expireAfterSeconds: 3600 },
    );
    const connection = await connect();
    const Reading = connection.model('Reading', schema);
    await Reading.init();
    await Reading.insertMany([1, 2, 3].map((value) => ({ at: new Date(), sensor: value < 3 ? 'a' : 'b', value })));
    const [found] = await Reading.aggregate([
      { $group: { _id: '$sensor', sum: { $sum: '$value' } } },
      { $sort: { _id: 1 } },
    ]);
    expect(found).toEqual({ _id: 'a', sum: 3 });
    const listed = (await connection.listCollections()).find(({ name }) => name === 'readings');
    expect(listed).toMatchObject({ type: 'timeseries', options: { expireAfterSeconds: 3600 } });
    await expect(Reading.create({ sensor: 'a' })).rejects.toMatchObject({ code: 2 });
  });

  test('a clustered schema is ordered by its _id, and a view can be read by a model', async () => {
    const connection = await connect();
    const Item = connection.model('Item', new Schema({ _id: Number }, { autoCreate: false }));
    await Item.createCollection({ clusteredIndex: { key: { _id: 1 }, unique: true } });
    await Item.insertMany([{ _id: 3 }, { _id: 1 }, { _id: 2 }]);
    expect((await Item.find()).map(({ _id }) => _id)).toEqual([1, 2, 3]);
    expect(await Item.syncIndexes()).toEqual([]);
    const View = connection.model('View', new Schema({ _id: Number }, { autoCreate: false, autoIndex: false }));
    await View.createCollection({ viewOn: 'items', pipeline: [{ $match: { _id: { $gt: 1 } } }] });
    expect(await View.countDocuments()).toBe(2);
    await expect(View.create({ _id: 9 })).rejects.toMatchObject({ code: 166 });
  });
});

describe('writes', () => {
  test('insertMany without order stores what it can, and tells what it could not', async () => {
    const One = (await connect()).model('One', new Schema({ n: { type: Number, unique: true } }));
    await One.init();
    const failed = One.insertMany([{ n: 1 }, { n: 1 }, { n: 2 }], { ordered: false });
    await expect(failed).rejects.toMatchObject({ code: 11000, insertedDocs: [{ n: 1 }, { n: 2 }] });
    expect(await One.countDocuments()).toBe(2);
  });

  test('bulkSave and optimistic concurrency notice who was faster', async () => {
    const Doc = (await connect()).model('Doc', new Schema({ n: Number }, { optimisticConcurrency: true }));
    const docs = [1, 2].map((n) => new Doc({ n }));
    await Doc.bulkSave(docs);
    const stale = await Doc.findOne({ n: 1 }).orFail();
    for (const doc of docs) doc.set('n', 10);
    expect((await Doc.bulkSave(docs)).modifiedCount).toBe(2);
    stale.n = 5;
    await expect(stale.save()).rejects.toMatchObject({ name: 'VersionError' });
    expect(await Doc.countDocuments({ n: 10 })).toBe(2);
  });

  test('one bulkWrite of the connection reaches several models', async () => {
    const connection = await connect();
    const A = connection.model('A', new Schema({ n: Number }));
    const B = connection.model('B', new Schema({ s: String }));
    const result = await connection.bulkWrite([
      { model: 'A', name: 'insertOne', document: { n: 1 } },
      { model: 'B', name: 'insertOne', document: { s: 'x' } },
      { model: 'A', name: 'updateOne', filter: { n: 1 }, update: { $inc: { n: 1 } } },
    ]);
    expect(result).toMatchObject({ insertedCount: 2, modifiedCount: 1 });
    expect(await A.exists({ n: 2 })).not.toBeNull();
    expect(await B.countDocuments()).toBe(1);
  });

  test('a document is new again when its transaction was aborted', async () => {
    const connection = await connect();
    const Doc = connection.model('Doc', new Schema({ n: Number }));
    await Doc.createCollection();
    const doc = new Doc({ n: 1 });
    const failing = connection.transaction(async (session) => {
      await doc.save({ session });
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(doc.isNew).toBe(true);
    await connection.transaction((session) => doc.save({ session }));
    expect(await Doc.countDocuments()).toBe(1);
  });
});

interface Values {
  big: bigint;
  int: number;
  double: number;
  decimal: mongoose.Types.Decimal128;
  uuid: mongoose.Types.UUID;
  bytes: Buffer;
  map: Map<string, number>;
  mixed: unknown;
}

test('values of every type come back as they were', async () => {
  const schema = new Schema<Values>({
    big: BigInt,
    int: Schema.Types.Int32,
    double: Schema.Types.Double,
    decimal: Schema.Types.Decimal128,
    uuid: Schema.Types.UUID,
    bytes: Buffer,
    map: { type: Map, of: Number },
    mixed: Schema.Types.Mixed,
  });
  const Typed = (await connect()).model('Typed', schema);
  const uuid = new mongoose.Types.UUID();
  const given = {
    big: 2n ** 60n,
    int: 5,
    double: 2,
    decimal: '1.10',
    uuid,
    map: { a: 1 },
    mixed: { b: [{ c: null }] },
  };
  await Typed.create({ ...given, bytes: Buffer.from('hi') });
  const found = await Typed.findOne({
    big: 2n ** 60n,
    uuid,
    decimal: mongoose.Types.Decimal128.fromString('1.1'),
    bytes: Buffer.from('hi'),
    'map.a': 1,
  }).orFail();
  expect(found.big).toBe(2n ** 60n);
  expect(String(found.decimal)).toBe('1.10');
  expect(found.mixed).toEqual({ b: [{ c: null }] });
  const types = { $project: { _id: 0, big: { $type: '$big' }, int: { $type: '$int' }, double: { $type: '$double' } } };
  expect(await Typed.aggregate([types])).toEqual([{ big: 'long', int: 'int', double: 'double' }]);
});

test('populate limits, matches and counts each document of its own', async () => {
  const connection = await connect();
  const schema = new Schema({ name: String });
  schema.virtual('posts', { ref: 'Post', localField: '_id', foreignField: 'author', options: { sort: { n: -1 } } });
  schema.virtual('count', { ref: 'Post', localField: '_id', foreignField: 'author', count: true });
  const Author = connection.model('Author', schema);
  const Post = connection.model(
    'Post',
    new Schema({ n: Number, author: { type: Schema.Types.ObjectId, ref: 'Author' } }),
  );
  const [a, b] = await Author.insertMany([{ name: 'a' }, { name: 'b' }]);
  await Post.insertMany(Array.from({ length: 6 }, (_, n) => ({ n, author: n % 2 === 0 ? a : b })));
  const found = await Author.find().sort('name').populate({ path: 'posts', perDocumentLimit: 2 }).populate('count');
  const plain = found.map(
    (author) => author.toObject({ virtuals: true }) as unknown as { posts: { n: number }[]; count: number },
  );
  expect(plain.map(({ posts, count }) => [posts.map(({ n }) => n), count])).toEqual([
    [[4, 2], 3],
    [[5, 3], 3],
  ]);
});

test('what rests on a search server or JavaScript is refused, and never answered wrongly', async () => {
  const schema = new Schema({ title: { type: String, text: true }, at: { type: [Number], index: '2dsphere' } });
  const Thing = (await connect()).model('Thing', schema);
  await Thing.init();
  await expect(Thing.find({ $text: { $search: 'a' } })).rejects.toMatchObject({ code: 238 });
  await expect(Thing.find({ at: { $near: [1, 2] } })).rejects.toMatchObject({ code: 238 });
  await expect(Thing.find({ $where: 'true' })).rejects.toMatchObject({ code: 238 });
  await expect(Thing.listSearchIndexes()).rejects.toMatchObject({ code: 31082 });
});
