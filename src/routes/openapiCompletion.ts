/** What holds for every operation, and which no route says of itself. */

const text = { type: 'string' } as const;

/** Fields that answers carry whatever they answer, by their names. */
export const ANSWER_HEADERS = {
  'X-Request-Id': { description: 'Names the request in the logs.', schema: text },
  'WWW-Authenticate': { description: 'RFC 9110 section 11.6.1.', schema: text },
  'Retry-After': { description: 'Seconds after which it is worth to ask again.', schema: text },
  RateLimit: { description: 'What is left: `"quota";r=59;t=60`.', schema: text },
  'RateLimit-Policy': { description: 'What is allowed: `"quota";q=60;w=60`.', schema: text },
};

type HeaderName = keyof typeof ANSWER_HEADERS;

const OF_STATUS: Readonly<Record<string, readonly HeaderName[]>> = {
  401: ['WWW-Authenticate'],
  429: ['Retry-After'],
  503: ['Retry-After'],
};

const REQUEST_ID = {
  in: 'header',
  name: 'X-Request-Id',
  description: 'Your own name for the request; another form than this one is replaced.',
  schema: { ...text, pattern: '^[A-Za-z0-9._-]{1,128}$' },
};

interface Answer {
  description?: string;
  headers?: object;
}

/** The part of an operation that is completed. */
interface Completable {
  security?: Record<string, string[]>[];
  parameters?: object[];
  responses?: Record<string, Answer>;
}

/** Adds the parameters and fields that every route has, and says each thing once. */
export function complete(operation: Completable): void {
  // The generator adds what a module's middleware says once for each documented handler of a route.
  if (operation.security) {
    operation.security = [...new Map(operation.security.map((each) => [JSON.stringify(each), each])).values()];
  }
  operation.parameters = [...(operation.parameters ?? []), REQUEST_ID];
  const answers = operation.responses ?? {};
  const isLimited = '429' in answers;
  operation.responses = Object.fromEntries(
    Object.entries(answers).map(([status, answer]) => [status, withHeaders(answer, headersOf(status, isLimited))]),
  );
}

function headersOf(status: string, isLimited: boolean): HeaderName[] {
  // Who is refused for the token is not counted.
  const counts = isLimited && status !== '401' && status !== '503' && status !== 'default';
  return [
    'X-Request-Id',
    ...(OF_STATUS[status] ?? []),
    ...(counts ? (['RateLimit', 'RateLimit-Policy'] as const) : []),
  ];
}

function withHeaders<A extends Answer>(answer: A, names: readonly HeaderName[]): A {
  const common = Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
  return { ...answer, headers: { ...answer.headers, ...common } };
}
