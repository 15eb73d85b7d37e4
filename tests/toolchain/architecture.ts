import { dirname, posix } from 'node:path';
import { environmentReadsOf, importsOf } from './syntax.ts';

/**
 * Which part of `src` may import which: a row names what stands below it, and never what stands above. Types count as
 * well: what knows the shape of a thing has to change with it.
 */
export const PARTS: Readonly<Record<string, readonly string[]>> = {
  /** Entry points: they open sockets and databases, and put everything together. The routes are the application's. */
  runtimes: [
    'app',
    'jobs',
    'billing',
    'middleware',
    'workflows',
    'repositories',
    'models',
    'observability',
    'identity',
    'outbound',
    'providers',
    'storage',
    'config',
    'encryption',
    'domain',
  ],
  /** What callers import: it knows the types of the application, and runs none of it. */
  client: ['app'],
  /** The order of middleware, and the mounts. */
  app: ['routes', 'middleware', 'config'],
  /** HTTP in, HTTP out. A plain read goes to its repository; what takes several steps is a workflow. */
  routes: ['middleware', 'billing', 'workflows', 'repositories', 'models', 'identity', 'storage', 'domain'],
  /** What runs by itself: the worker, the sweeper. They never see a request. */
  jobs: ['billing', 'workflows', 'repositories', 'models', 'outbound', 'providers', 'storage', 'config', 'domain'],
  /** What an application tells of itself: metrics, slow queries, alerts. It listens, and nothing waits for it. */
  observability: ['middleware', 'config', 'domain'],
  /** What holds for all requests. It knows no business and no database. */
  middleware: ['identity', 'config', 'domain'],
  /** What developers import: a thin face over the data layer. */
  utils: ['workflows', 'repositories', 'models', 'storage', 'config', 'domain'],
  /** Stripe: what it is asked, and what follows from its answers. */
  billing: ['workflows', 'repositories', 'models', 'config', 'domain'],
  /** Steps that together keep a promise: charge and create, end and refund, sign in. */
  workflows: ['repositories', 'models', 'identity', 'config', 'domain'],
  /** The statements that are sent to the database. */
  repositories: ['models', 'encryption', 'domain'],
  /** Schemas, defaults, validation, indexes. */
  models: ['encryption', 'domain'],
  /** Who may speak for whom: trust in tokens, profiles from Clerk. */
  identity: ['config', 'domain'],
  /** What calls addresses that users have given, and no others. */
  outbound: ['domain'],
  /** What draws pictures, behind one port. */
  providers: ['domain'],
  /** What keeps pictures, behind one port. */
  storage: [],
  /** The environment, the log, the connection. */
  config: ['encryption', 'domain'],
  /** Keys, and what they seal and hash. It knows neither documents nor a database. */
  encryption: ['domain'],
  /** Rules without any input or output. */
  domain: [],
};

/** Files beside `src` that a part may read. */
const OUTSIDE: Readonly<Record<string, readonly string[]>> = {
  routes: ['package.json'],
  observability: ['package.json'],
};

/**
 * Entry points pass the environment to `readEnv`; `connectDB()` and `DatabaseUtils`, which take no options by their
 * specification, do so themselves.
 */
const ENVIRONMENT_READERS = new Set(['src/runtimes/serve.ts', 'src/config/database.ts', 'src/utils/database.ts']);

const DATABASE_PACKAGE = 'embedded-mongo';
const DATABASE_FOLDER = 'packages/embedded-mongo/';

/**
 * Every breach of the architecture, as `file:line: what is wrong`.
 *
 * @param sources the text of every TypeScript file under `src` and `packages`, by its path from the root, with `/`
 */
export function breachesOf(sources: ReadonlyMap<string, string>): string[] {
  const breaches: string[] = [];
  for (const [file, source] of sources) {
    for (const { line, specifier } of importsOf(file, source)) {
      const problem = importProblem(file, specifier, sources);
      if (problem !== null) breaches.push(`${file}:${line}: ${problem}`);
    }
    if (!file.startsWith('src/') || ENVIRONMENT_READERS.has(file)) continue;
    for (const line of environmentReadsOf(file, source)) {
      breaches.push(`${file}:${line}: only entry points read the environment; take what you need from Env`);
    }
  }
  return breaches;
}

function importProblem(file: string, specifier: string | null, sources: ReadonlyMap<string, string>): string | null {
  if (specifier === null) return 'imports what only a run can tell; write the name down';
  if (file.startsWith(DATABASE_FOLDER)) return databaseProblem(file, specifier);
  return file.startsWith('src/') ? sourceProblem(file, specifier, sources) : null;
}

/** The database is a package of its own: it could be published as it is. */
function databaseProblem(file: string, specifier: string): string | null {
  const path = pathOf(file, specifier);
  const isOurs = path === null ? isPackage(specifier, 'artifex') : !path.startsWith(DATABASE_FOLDER);
  return isOurs ? `${DATABASE_FOLDER} imports ${specifier}: it must know nothing of Artifex` : null;
}

function sourceProblem(file: string, specifier: string, sources: ReadonlyMap<string, string>): string | null {
  const path = pathOf(file, specifier);
  if (path === null) {
    return isPackage(specifier, DATABASE_PACKAGE) ? `src imports ${specifier}: any MongoDB server must do` : null;
  }
  const part = partOf(file);
  const allowed = PARTS[part];
  if (!allowed) return `${part} has no row in the table of tests/toolchain/architecture.ts`;
  if (!path.startsWith('src/')) {
    return OUTSIDE[part]?.includes(path) ? null : `src imports ${path}, which is no part of the product`;
  }
  if (!sources.has(path)) return `imports ${path}, which is no file; Deno wants the whole name`;
  const imported = partOf(path);
  return imported === part || allowed.includes(imported) ? null : `${part} must not import ${imported} (${path})`;
}

/** The path from the root that a specifier names; null for a package. */
function pathOf(file: string, specifier: string): string | null {
  if (specifier.startsWith('@/')) return posix.join('src', specifier.slice(2));
  return specifier.startsWith('.') ? posix.join(dirname(file), specifier) : null;
}

/** The folder directly under `src`, or the file that stands there itself. */
function partOf(path: string): string {
  return (path.split('/')[1] ?? '').replace(/\.ts$/, '');
}

function isPackage(specifier: string, name: string): boolean {
  return specifier === name || specifier.startsWith(`${name}/`);
}
