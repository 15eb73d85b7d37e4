import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { MongoClient } from 'mongodb';
import mongoose from 'mongoose';
import { expect, onTestFinished, test } from 'vitest';
import { startEmbeddedMongo } from '../src/index.ts';
import { engineRuntime } from '../src/runtime.ts';

async function start(
  options: Parameters<typeof startEmbeddedMongo>[0] = {},
): Promise<Awaited<ReturnType<typeof startEmbeddedMongo>>> {
  const mongo = await startEmbeddedMongo(options);
  onTestFinished(() => mongo.stop());
  return mongo;
}

test('mongoose connects, builds its indexes, validates, updates, populates and paginates', async () => {
  const mongo = await start();
  const connection = await mongoose.createConnection(mongo.uriFor('shop')).asPromise();
  onTestFinished(() => connection.close());
  const userSchema = new mongoose.Schema(
    { email: { type: String, required: true, unique: true }, age: Number },
    { timestamps: true },
  );
  const User = connection.model('User', userSchema);
  const Post = connection.model(
    'Post',
    new mongoose.Schema({ title: String, author: { type: mongoose.Schema.Types.ObjectId, ref: 'User' } }),
  );
  await Promise.all([User.init(), Post.init()]);
  const user = await User.create({ email: 'a@b', age: 30 });
  await expect(User.create({ email: 'a@b' })).rejects.toMatchObject({ code: 11000 });
  await Post.insertMany(Array.from({ length: 5 }, (_, i) => ({ title: `t${i}`, author: user._id })));
  const posts = await Post.find()
    .sort({ title: -1 })
    .skip(1)
    .limit(2)
    .populate<{ author: { email: string } }>('author')
    .exec();
  expect(posts.map((post) => [post.title, post.author.email])).toEqual([
    ['t3', 'a@b'],
    ['t2', 'a@b'],
  ]);
  user.age = 31;
  await user.save();
  expect(
    await User.findOneAndUpdate({ email: 'a@b' }, { $inc: { age: 1 } }, { returnDocument: 'after' }),
  ).toMatchObject({ age: 32 });
  expect(await User.countDocuments({ age: { $gt: 30 } })).toBe(1);
});

test('it is the primary of a replica set of one, also to a driver that looks for its members', async () => {
  const mongo = await start({ replicaSet: 'test' });
  const client = await MongoClient.connect(`mongodb://${mongo.host}:${mongo.port}/?replicaSet=test`);
  onTestFinished(() => client.close());
  expect(await client.db().admin().command({ hello: 1 })).toMatchObject({ setName: 'test', isWritablePrimary: true });
});

test('servers in one process do not know each other', async () => {
  const [one, two] = await Promise.all([start(), start()]);
  const clients = await Promise.all([one, two].map(({ uri }) => MongoClient.connect(uri)));
  onTestFinished(async () => {
    await Promise.all(clients.map((client) => client.close()));
  });
  await clients[0]?.db('x').collection('c').insertOne({});
  expect(await clients[1]?.db('x').collection('c').countDocuments()).toBe(0);
});

test('a port that is taken is reported', async () => {
  const { port } = await start();
  await expect(startEmbeddedMongo({ port })).rejects.toThrow(`port ${port} on 127.0.0.1 is already in use`);
});

test('the engine ends when the process that started it is killed', async () => {
  const entry = fileURLToPath(new URL('../src/index.ts', import.meta.url));
  const script = `
    import { startEmbeddedMongo } from ${JSON.stringify(entry)};
    const { port } = await startEmbeddedMongo();
    console.log(port);
    setInterval(() => {}, 1000);`;
  const parent = spawn(engineRuntime('.ts'), ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [port] = (await once(parent.stdout, 'data')) as [Buffer];
  const socket = connect(Number(String(port)), '127.0.0.1');
  await once(socket, 'connect');
  // The connection to the engine ends with the engine.
  const ended = once(socket.resume(), 'close');
  parent.kill('SIGKILL');
  await ended;
  const late = connect(Number(String(port)), '127.0.0.1');
  await expect(once(late, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
