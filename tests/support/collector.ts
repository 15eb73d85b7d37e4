import { createServer, type IncomingMessage } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll } from 'vitest';
import { z } from 'zod';

const value = z.looseObject({ stringValue: z.string().optional(), intValue: z.coerce.number().optional() });
const attributes = z
  .array(z.object({ key: z.string(), value }))
  .default([])
  .transform((list) =>
    Object.fromEntries(list.map((each) => [each.key, each.value.stringValue ?? each.value.intValue])),
  );
const span = z.looseObject({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.number(),
  attributes,
  status: z.object({ code: z.number().default(0) }).default({ code: 0 }),
});
export type CollectedSpan = z.output<typeof span>;

/** https://github.com/open-telemetry/opentelemetry-proto/blob/main/docs/specification.md#json-protobuf-encoding */
const exported = z.object({
  resourceSpans: z.array(
    z.object({ resource: z.object({ attributes }), scopeSpans: z.array(z.object({ spans: z.array(span) })) }),
  ),
});

/** Takes traces by OTLP over HTTP, on a socket of its own. */
export interface Collector {
  url(): string;
  /** Everything that was sent, as it was sent. */
  texts: string[];
  paths: string[];
  services(): Set<unknown>;
  spans(): CollectedSpan[];
  /** Resolves when spans are there that are as asked. */
  until(isThere: (spans: CollectedSpan[]) => boolean): Promise<CollectedSpan[]>;
}

export function useCollector(): Collector {
  const texts: string[] = [];
  const paths: string[] = [];
  let arrived = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    texts.push(await textOf(request));
    paths.push(request.url ?? '');
    response.setHeader('Content-Type', 'application/json').end('{}');
    arrived.resolve();
    arrived = Promise.withResolvers();
  });
  beforeAll(() => new Promise<void>((done) => server.listen(0, '127.0.0.1', done)));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const requests = () => texts.flatMap((text) => exported.parse(JSON.parse(text)).resourceSpans);
  const spans = () => requests().flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
  return {
    url() {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('The collector does not listen');
      return `http://127.0.0.1:${address.port}`;
    },
    texts,
    paths,
    services: () => new Set(requests().map(({ resource }) => resource.attributes['service.name'])),
    spans,
    async until(isThere) {
      while (!isThere(spans())) await arrived.promise;
      return spans();
    },
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  return (request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString('utf8');
}
