/**
 * What one would write without Artifex: a Hono application that answers, and one that verifies a session token by Clerk's middleware
 * and sends one `findOneAndUpdate`. Served as Artifex is, on the runtime that runs this file.
 */
import { clerkMiddleware, getAuth } from '@clerk/hono';
import { Hono } from 'hono';
import mongoose from 'mongoose';
import { z } from 'zod';
import { connectionOptions } from '../../src/config/database.ts';
import { listenHere } from '../../src/runtimes/listenHere.ts';

const given = z
  .object({ MONGODB_URI: z.string(), CLERK_JWT_KEY: z.string(), CLERK_PUBLISHABLE_KEY: z.string() })
  .parse(process.env);

interface Account {
  clerkUserId: string;
  used: number;
  limit: number;
}

const connection = await mongoose.createConnection(given.MONGODB_URI, connectionOptions(given.MONGODB_URI)).asPromise();
const accounts = connection.collection<Account>('bare_accounts');
await accounts.createIndex({ clerkUserId: 1 }, { unique: true });

// Given as a value, since the types of the middleware do not know of the last field.
const options = {
  jwtKey: given.CLERK_JWT_KEY,
  publishableKey: given.CLERK_PUBLISHABLE_KEY,
  secretKey: 'sk_test_unused',
  telemetry: { disabled: true },
};
const clerk = clerkMiddleware(options);

const app = new Hono()
  .get('/bare', (c) => c.json({ used: 1, limit: 10 }))
  .get('/charged', clerk, async (c) => {
    const { userId } = getAuth(c);
    if (!userId) return c.json({ error: 'unauthenticated' }, 401);
    const account = await accounts.findOneAndUpdate(
      { clerkUserId: userId, $expr: { $lt: ['$used', '$limit'] } },
      { $inc: { used: 1 } },
      { returnDocument: 'after' },
    );
    return account ? c.json({ used: account.used, limit: account.limit }) : c.json({ error: 'no credits' }, 402);
  });

const listen = await listenHere();
const { port } = await listen(app.fetch, { host: '127.0.0.1', port: 0 });
console.log(JSON.stringify({ msg: 'listening', url: `http://127.0.0.1:${port}` }));
process.on('SIGTERM', () => process.exit(0));
