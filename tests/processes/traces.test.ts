import { describe, expect, it } from 'vitest';
import { useCluster } from '../support/cluster.ts';
import { type CollectedSpan, useCollector } from '../support/collector.ts';
import { useDatabase } from '../support/database.ts';
import { type Runtime, temporaryFolder } from '../support/processes.ts';
import { startRuntime } from '../support/runtimes.ts';

const store = useDatabase();
const cluster = useCluster(store);

const SERVER = 2;
const CLIENT = 3;
const ERROR = 2;
const CALLER = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };
const traceparent = (isSampled: boolean) => `00-${CALLER.traceId}-${CALLER.spanId}-0${isSampled ? 1 : 0}`;

const requestsOf = (spans: CollectedSpan[]) => spans.filter(({ kind }) => kind === SERVER);

describe.each<Runtime>(['bun', 'node'])('a server on %s that has a collector', (runtime) => {
  const collector = useCollector();
  const start = (env: Record<string, string> = {}) =>
    cluster.start(runtime, { ARTIFEX_WORKER: 'off', OTEL_EXPORTER_OTLP_ENDPOINT: collector.url(), ...env });

  it('sends a span for a request, in the trace of its caller, and one below it for each command', async () => {
    const server = await start({ OTEL_SERVICE_NAME: 'artifex-test' });
    const clerkUserId = cluster.newPerson();
    const authorization = await cluster.authorizationOf(clerkUserId);
    const headers = {
      Authorization: authorization,
      'Content-Type': 'application/json',
      'X-Request-Id': 'request.1',
      'Idempotency-Key': 'a-key-of-theirs',
      traceparent: traceparent(true),
    };
    const body = JSON.stringify({ type: 'text-to-image', prompt: 'A secret lighthouse' });
    const made = await fetch(`${server.url}/v1/generations`, { method: 'POST', headers, body });
    expect(made.status).toBe(201);
    const { id } = await made.json();
    await fetch(`${server.url}/v1/generations?limit=17`, { headers });
    expect((await fetch(`${server.url}/v1/generations/${id}/no`, { headers })).status).toBe(404);
    await server.end();

    expect(new Set(collector.paths)).toEqual(new Set(['/v1/traces']));
    expect(collector.services()).toEqual(new Set(['artifex-test']));
    const spans = collector.spans().filter(({ traceId }) => traceId === CALLER.traceId);
    const request = requestsOf(spans).find(({ name }) => name === 'POST /v1/generations');
    expect(request).toMatchObject({
      parentSpanId: CALLER.spanId,
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/v1/generations',
        'http.response.status_code': 201,
        'artifex.request_id': 'request.1',
      },
    });
    const commands = spans.filter(({ parentSpanId }) => parentSpanId === request?.spanId);
    expect(commands.map(({ kind }) => kind)).not.toContain(SERVER);
    expect(commands).toContainEqual(
      expect.objectContaining({
        name: 'findAndModify users',
        kind: CLIENT,
        attributes: {
          'db.system.name': 'mongodb',
          'db.operation.name': 'findAndModify',
          'db.collection.name': 'users',
        },
      }),
    );
    expect(requestsOf(spans).map(({ attributes }) => attributes['http.response.status_code'])).toEqual([201, 200, 404]);
    const line = server.output.find((each) => each.includes('"request.1"'));
    expect(line).toContain(`"traceId":"${CALLER.traceId}"`);

    const sent = collector.texts.join('\n');
    const [, claims = ''] = authorization.split('.');
    for (const secret of ['lighthouse', claims, clerkUserId, id, 'a-key-of-theirs', 'limit=17']) {
      expect(sent).not.toContain(secret);
    }
  }, 40_000);

  it('begins a trace where the caller has none, and leaves out what the caller leaves out', async () => {
    const before = requestsOf(collector.spans()).length;
    const server = await start();
    await fetch(`${server.url}/healthz`, { headers: { traceparent: traceparent(false), 'X-Request-Id': 'left-out' } });
    await fetch(`${server.url}/healthz`, { headers: { traceparent: 'nonsense', 'X-Request-Id': 'begun' } });
    await server.end();
    const added = requestsOf(collector.spans()).slice(before);
    const ids = added.map(({ attributes }) => attributes['artifex.request_id']);
    expect(ids).toContain('begun');
    expect(ids).not.toContain('left-out');
    const begun = added.find(({ attributes }) => attributes['artifex.request_id'] === 'begun');
    expect(begun?.parentSpanId ?? '').toBe('');
    expect(begun?.traceId).toMatch(/^[0-9a-f]{32}$/);
  }, 40_000);

  it('marks what the server did wrong as an error, and takes a share of the traces', async () => {
    const before = collector.spans().length;
    const server = await start({ OTEL_TRACES_SAMPLER_ARG: '0' });
    await fetch(`${server.url}/healthz`);
    await fetch(`${server.url}/webhooks/stripe`, { method: 'POST', headers: { traceparent: traceparent(true) } });
    await server.end();
    const added = collector.spans().slice(before);
    expect(added.map(({ name }) => name)).toEqual(['POST /webhooks/stripe']);
    expect(added).toMatchObject([{ status: { code: ERROR }, attributes: { 'error.type': '503' } }]);
  }, 40_000);
});

describe('a server on deno that has a collector', () => {
  const collector = useCollector();

  it('sends a span for a request', async () => {
    const folder = await temporaryFolder();
    const server = await startRuntime('deno', {
      MONGODB_URI: store.uri,
      ARTIFEX_DATA_DIR: folder.path,
      ARTIFEX_WORKER: 'off',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url(),
    });
    await fetch(`${server.url}/healthz`, { headers: { traceparent: traceparent(true) } });
    await server.end();
    await folder.remove();
    expect(collector.spans()).toMatchObject([{ traceId: CALLER.traceId, name: 'GET /healthz' }]);
  }, 60_000);
});

describe('a server whose collector is gone', () => {
  it('answers all the same, says so in its log, and ends cleanly', async () => {
    const server = await cluster.start('node', {
      ARTIFEX_WORKER: 'off',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    });
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    expect(await server.end()).toBe(0);
    expect(server.output.join('\n')).toContain('the collector did not take the spans');
  }, 40_000);
});

describe('a server that has no collector', () => {
  it('traces nothing, and hands out no id of a trace', async () => {
    const server = await cluster.start('node', { ARTIFEX_WORKER: 'off' });
    await fetch(`${server.url}/healthz`, { headers: { traceparent: traceparent(true) } });
    expect(await server.end()).toBe(0);
    expect(server.output.join('\n')).not.toContain('traceId');
  }, 40_000);
});
