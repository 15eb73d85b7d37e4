import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import mongoose, { type Connection } from 'mongoose';
import { z } from 'zod';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Methods of the driver's collections and of Mongoose's models that send a filter. */
const METHODS = [
  'find',
  'findOne',
  'findById',
  'exists',
  'findOneAndUpdate',
  'updateOne',
  'updateMany',
  'deleteOne',
  'deleteMany',
  'aggregate',
  'countDocuments',
  'distinct',
  'bulkWrite',
] as const;

const CALL = new RegExp(`\\.(?:${METHODS.join('|')})(?:<[^()]*>)?\\(`);

/** Calls of arrays have the same names; these are no queries. */
const NO_QUERY = /\b(?:all|COMMANDS|known|tiers|rows|slots|days)\.find\(/;

/** Every line of these folders that sends a query, as `file:line`. */
export function querySitesIn(folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) => {
        const path = join(folder, name);
        return readFileSync(join(ROOT, path), 'utf8')
          .split('\n')
          .flatMap((line, index) => (CALL.test(line) && !NO_QUERY.test(line) ? [`${path}:${index + 1}`] : []));
      }),
  );
}

export interface SentQueries {
  /** Which lines of these folders have sent a query. */
  sites: Set<string>;
  /** The commands that reached the database. */
  commands: Document[];
}

type Document = Record<string, unknown>;

/** Notes every query that is sent while `action` runs: the command itself, and the line of `folders` that it comes from. */
export async function queriesDuring(
  connection: Connection,
  folders: readonly string[],
  action: () => Promise<unknown>,
): Promise<SentQueries> {
  const sent: SentQueries = { sites: new Set(), commands: [] };
  const restore = [mongoose.mongo.Collection.prototype, mongoose.Model].map((target) =>
    watch(target, () => {
      const site = siteIn(folders);
      if (site) sent.sites.add(site);
    }),
  );
  const note = ({ command }: { command: Document }) => sent.commands.push(command);
  const client = connection.getClient();
  client.on('commandStarted', note);
  try {
    await action();
  } finally {
    client.off('commandStarted', note);
    for (const undo of restore) undo();
  }
  return sent;
}

function watch(target: object, called: () => void): () => void {
  const originals = METHODS.map((name) => [name, Reflect.get(target, name)] as const);
  for (const [name, original] of originals) {
    if (typeof original !== 'function') continue;
    Reflect.set(target, name, function watched(this: unknown, ...args: unknown[]): unknown {
      called();
      return Reflect.apply(original, this, args);
    });
  }
  return () => {
    for (const [name, original] of originals) if (original) Reflect.set(target, name, original);
  };
}

/** The innermost line of the folders on the stack. */
function siteIn(folders: readonly string[]): string | null {
  for (const line of (new Error('here').stack ?? '').split('\n')) {
    const [, file, number] = /(?:file:\/\/)?(\/[^():]+):(\d+):\d+\)?$/.exec(line) ?? [];
    if (!file) continue;
    const path = relative(ROOT, file);
    if (folders.some((folder) => path.startsWith(`${folder}/`))) return `${path}:${number}`;
  }
  return null;
}

/** How the database would carry out one query. */
export interface QueryPlan {
  collection: string;
  /** What was asked, without its values. */
  shape: string;
  stages: string[];
  /** Keys of indexes, and documents. */
  keys: number;
  examined: number;
  /** Documents returned, matched or counted. */
  found: number;
}

const explained = z.object({
  queryPlanner: z.object({ winningPlan: z.unknown() }),
  executionStats: z.object({
    totalKeysExamined: z.number(),
    totalDocsExamined: z.number(),
    nReturned: z.number(),
    executionStages: z.looseObject({
      nMatched: z.number().optional(),
      nWouldModify: z.number().optional(),
      nWouldDelete: z.number().optional(),
    }),
  }),
});
const explainedPipeline = z.object({ stages: z.array(z.looseObject({ $cursor: explained.optional() })) });

/** Explains each of the commands that asks for documents, every shape once. */
export async function plansOf(connection: Connection, commands: readonly Document[]): Promise<QueryPlan[]> {
  const plans = new Map<string, QueryPlan>();
  for (const command of commands.flatMap(questions)) {
    const [name = ''] = Object.keys(command);
    const collection = String(command[name]);
    const shape = `${name} ${JSON.stringify(shapeOf(command))}`;
    if (plans.has(shape)) continue;
    const reply = await connection.db?.command({ explain: command, verbosity: 'executionStats' });
    plans.set(shape, { collection, shape, ...readPlan(reply) });
  }
  return [...plans.values()];
}

const QUESTIONS = new Set(['find', 'aggregate', 'count', 'distinct', 'findAndModify', 'update', 'delete']);
const OF_THE_SESSION = new Set([
  'lsid',
  'txnNumber',
  '$clusterTime',
  '$db',
  'readConcern',
  'writeConcern',
  'comment',
  'maxTimeMS',
]);

/** The command as one can have it explained: statement by statement, and without what belongs to its session. */
function questions(command: Document): Document[] {
  const [name = ''] = Object.keys(command);
  if (!QUESTIONS.has(name)) return [];
  const plain = Object.fromEntries(Object.entries(command).filter(([field]) => !OF_THE_SESSION.has(field)));
  const list = name === 'update' ? 'updates' : name === 'delete' ? 'deletes' : null;
  if (list === null) return [plain];
  return z
    .array(z.unknown())
    .parse(plain[list])
    .map((statement) => ({ ...plain, [list]: [statement] }));
}

/** Names and operators; every value is `?`. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value))
    return [...new Set(value.map((item) => JSON.stringify(shapeOf(item))))].map((text) => JSON.parse(text));
  if (typeof value !== 'object' || value === null || value.constructor !== Object) return '?';
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key.replaceAll(/[0-9a-f]{24,}/g, '?'), shapeOf(item)]),
  );
}

function readPlan(reply: unknown): Pick<QueryPlan, 'stages' | 'keys' | 'examined' | 'found'> {
  const pipeline = explainedPipeline.safeParse(reply);
  const inner = pipeline.success ? pipeline.data.stages.find(({ $cursor }) => $cursor)?.$cursor : undefined;
  const { queryPlanner, executionStats } = inner ?? explained.parse(reply);
  const { nMatched = 0, nWouldModify = 0, nWouldDelete = 0 } = executionStats.executionStages;
  return {
    stages: stagesOf(queryPlanner.winningPlan),
    keys: executionStats.totalKeysExamined,
    examined: executionStats.totalDocsExamined,
    found: Math.max(executionStats.nReturned, nMatched, nWouldModify, nWouldDelete),
  };
}

function stagesOf(plan: unknown): string[] {
  if (Array.isArray(plan)) return plan.flatMap(stagesOf);
  if (typeof plan !== 'object' || plan === null) return [];
  return Object.entries(plan).flatMap(([key, value]) => (key === 'stage' ? [String(value)] : stagesOf(value)));
}
