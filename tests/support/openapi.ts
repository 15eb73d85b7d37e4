import { z } from 'zod';
import { problemSchema } from '@/middleware/problemSchema.ts';

/** The description that an application gives of itself, read as a caller would: from the text of /openapi.json alone. */

const jsonSchema = z.record(z.string(), z.unknown());
export type JsonSchema = z.output<typeof jsonSchema>;

const media = z.object({ schema: jsonSchema.optional() });
const content = z.record(z.string(), media).default({});

const operationSchema = z.looseObject({
  operationId: z.string(),
  tags: z.array(z.string()).default([]),
  security: z.array(z.record(z.string(), z.array(z.string()))).default([]),
  parameters: z
    .array(z.object({ in: z.string(), name: z.string(), required: z.boolean().default(false), schema: jsonSchema }))
    .default([]),
  requestBody: z.object({ required: z.boolean().default(false), content }).optional(),
  responses: z.record(
    z.string(),
    z.object({ description: z.string(), headers: z.record(z.string(), z.unknown()).default({}), content }),
  ),
});

const documentSchema = z.object({
  openapi: z.string().startsWith('3.1.'),
  tags: z.array(z.object({ name: z.string(), description: z.string().min(1) })).default([]),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  webhooks: z
    .record(z.string(), z.object({ post: operationSchema.extend({ requestBody: z.object({ content }) }) }))
    .default({}),
  components: z.object({
    schemas: z.record(z.string(), jsonSchema),
    securitySchemes: z.record(z.string(), z.unknown()),
  }),
});

export interface Operation extends z.output<typeof operationSchema> {
  method: string;
  /** `/v1/generations/{id}` */
  path: string;
  /** The names of the schemes of which one is needed; empty where nothing is. */
  schemes: string[];
  /** The schema of its JSON body. */
  body: JsonSchema | undefined;
}

export interface Described {
  operations: Operation[];
  /** The parts that it has, in their order. */
  tags: Set<string>;
  /** What is sent to others: the schema of the body and the names of the header fields, by the name of the event. */
  webhooks: Map<string, { body: JsonSchema; headers: string[] }>;
  schemas: Record<string, JsonSchema>;
  securitySchemes: string[];
  /** The schema that a reference names, and any other as it is. */
  resolved(schema: JsonSchema): JsonSchema;
  accepts(schema: JsonSchema, value: unknown): boolean;
  /** Throws, saying why, unless the operation is described to answer so. */
  check(operation: Operation, response: Response): Promise<void>;
}

const DEFINITIONS = '#/$defs/';

export async function readDescription(response: Response): Promise<Described> {
  const text = await response.text();
  // JSON Schema knows definitions of its own, and none of OpenAPI's components.
  const document = documentSchema.parse(JSON.parse(text.replaceAll('#/components/schemas/', DEFINITIONS)));
  const { schemas, securitySchemes } = document.components;
  const parsers = new Map<JsonSchema, z.ZodType>();

  function parserOf(schema: JsonSchema): z.ZodType {
    const known = parsers.get(schema);
    if (known) return known;
    const parser = z.fromJSONSchema({ ...schema, $defs: schemas });
    parsers.set(schema, parser);
    return parser;
  }

  function resolved(schema: JsonSchema): JsonSchema {
    const { $ref } = schema;
    if (typeof $ref !== 'string') return schema;
    return resolved(jsonSchema.parse(schemas[$ref.slice(DEFINITIONS.length)]));
  }

  async function check(operation: Operation, answer: Response): Promise<void> {
    const at = `${operation.method} ${operation.path}: ${answer.status}`;
    const described = operation.responses[answer.status];
    if (!described) throw new Error(`${at} is not described: ${(await answer.text()).slice(0, 300)}`);
    for (const name of ['X-Request-Id', ...(OWED[answer.status] ?? [])]) {
      if (!(name in described.headers)) throw new Error(`${at} is not described to carry ${name}`);
      if (!answer.headers.has(name)) throw new Error(`${at} carries no ${name}`);
    }
    const type = (answer.headers.get('Content-Type') ?? '').split(';')[0]?.trim() ?? '';
    if (Object.keys(described.content).length === 0) {
      if ((await answer.text()) !== '') throw new Error(`${at} has a body that is not described`);
      return;
    }
    const known = described.content[type] ?? described.content[`${type.split('/')[0]}/*`];
    if (!known) throw new Error(`${at} is ${type}, and described as ${Object.keys(described.content)}`);
    if (!/json$/.test(type)) return void (await answer.body?.cancel());
    const body: unknown = await answer.json();
    const parsed = parserOf(known.schema ?? {}).safeParse(body);
    if (!parsed.success) throw new Error(`${at} has another body than described: ${parsed.error.message}`);
    if (type === 'application/problem+json') checkProblem(at, answer.status, described.description, body);
  }

  return {
    operations: Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        ...operation,
        method: method.toUpperCase(),
        path,
        schemes: operation.security.flatMap((each) => Object.keys(each)),
        body: operation.requestBody?.content['application/json']?.schema,
      })),
    ),
    webhooks: new Map(
      Object.entries(document.webhooks).map(([event, { post }]) => [
        event,
        {
          body: post.requestBody.content['application/json']?.schema ?? {},
          headers: post.parameters.filter((each) => each.in === 'header' && each.required).map(({ name }) => name),
        },
      ]),
    ),
    tags: new Set(document.tags.map(({ name }) => name)),
    schemas,
    securitySchemes: Object.keys(securitySchemes),
    resolved,
    accepts: (schema, value) => parserOf(schema).safeParse(value).success,
    check,
  };
}

const OWED: Readonly<Record<number, readonly string[]>> = {
  401: ['WWW-Authenticate'],
  429: ['Retry-After'],
  503: ['Retry-After'],
};

function checkProblem(at: string, status: number, description: string, body: unknown): void {
  const problem = problemSchema.parse(body);
  if (problem.status !== status) throw new Error(`${at} says ${problem.status} in its body`);
  if (!description.includes(`\`${problem.code}\``)) throw new Error(`${at} is not described to be ${problem.code}`);
}
