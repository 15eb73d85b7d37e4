export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What a line may say beside its message: named, flat values. A request, a header or a body is none of these. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** What must not be kept even where the text of a foreign error carries it, with what stands there instead. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, '[token]'],
  [/\b(?:sk|rk|whsec|ak|mt|oat)_[\w+/=-]{6,}/g, '[secret]'],
  [/(\w:\/\/)[^\s/@]+@/g, '$1[credentials]@'],
  // A unique index that refuses a write tells the values that are there already: perhaps somebody's address. They end the message,
  // behind which a stack may follow (https://www.mongodb.com/docs/manual/core/index-unique/).
  [/\bdup key: \{[\s\S]*?(?=\n {4}at |$)/g, 'dup key: [values]'],
];

function withoutSecrets(text: string): string {
  return SECRETS.reduce((safe, [pattern, substitute]) => safe.replace(pattern, substitute), text);
}

/**
 * A log of one JSON object per line: `{level, time, msg, ...fields}`. Only named flat fields are taken, so a token or a
 * prompt cannot slip in with an object that carries it.
 *
 * @example
 * const log = createLog({ level: 'info', write: (line) => console.log(line) });
 * log.info('listening', { port: 8787 });
 */
export function createLog(options: { level: LogLevel; write: (line: string) => void }): Log {
  const threshold = LOG_LEVELS.indexOf(options.level);

  function writer(level: Exclude<LogLevel, 'silent'>) {
    if (LOG_LEVELS.indexOf(level) < threshold) {
      return () => undefined;
    }
    return (message: string, fields: LogFields = {}) => {
      const line: Record<string, unknown> = { level, time: new Date().toISOString(), msg: withoutSecrets(message) };
      for (const [name, value] of Object.entries(fields)) {
        line[name] = typeof value === 'string' ? withoutSecrets(value) : value;
      }
      options.write(JSON.stringify(line));
    };
  }

  return { debug: writer('debug'), info: writer('info'), warn: writer('warn'), error: writer('error') };
}

/** The fields that describe something thrown, for the log alone: callers never see them. */
export function errorFields(thrown: unknown): LogFields {
  if (!(thrown instanceof Error)) {
    return { error: typeof thrown };
  }
  const cause = thrown.cause instanceof Error ? `${thrown.cause.name}: ${messageOf(thrown.cause)}` : undefined;
  const message = messageOf(thrown);
  return {
    error: thrown.name,
    errorMessage: message,
    cause,
    stack: thrown.stack?.replace(thrown.message, () => message),
  };
}

/**
 * The message of an error as it may be kept: without secrets, and without values that somebody gave. Mongoose's errors of
 * validation quote those in many forms, and so only the paths are told (https://mongoosejs.com/docs/validation.html#validation-errors).
 */
export function messageOf(error: Error): string {
  if (error.name === 'ValidationError' && 'errors' in error && typeof error.errors === 'object') {
    return `refused: ${Object.keys(error.errors ?? {}).join(', ')}`;
  }
  if (error.name === 'CastError' && 'path' in error) return `refused: ${String(error.path)}`;
  return withoutSecrets(error.message);
}
