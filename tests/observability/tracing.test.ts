import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTracing } from '@/observability/tracing/createTracing.ts';
import type { Post } from '@/outbound/post.ts';
import { tracedPost, tracedProfiles } from '@/runtimes/tracedCalls.ts';
import { keptLog } from '../support/api.ts';
import { useCollector } from '../support/collector.ts';

const collector = useCollector();
const heard: (string | undefined)[] = [];
const server = createServer((request, response) => {
  heard.push(request.headers['traceparent']?.toString());
  response.statusCode = request.url?.startsWith('/broken') ? 500 : 200;
  response.end('{}');
});
let url: string;
beforeAll(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server does not listen');
  url = `http://127.0.0.1:${address.port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const newTracing = () => createTracing({ endpoint: collector.url(), serviceName: 'artifex', ratio: 1 }, keptLog().log);

/** What is sent while `work` runs within a request. */
async function spansOf(work: (tracing: ReturnType<typeof newTracing>) => Promise<unknown>) {
  const before = collector.spans().length;
  const tracing = newTracing();
  const answer = { method: 'GET', route: '/', status: 200, requestId: 'r' };
  await tracing.traceRequest(new Headers(), async ({ answered }) => {
    await work(tracing);
    answered(answer);
  });
  await tracing.stop();
  const spans = collector.spans().slice(before);
  return { spans, request: spans.find(({ name }) => name === 'GET /') };
}

describe('a call by the traced fetch', () => {
  it('is a span of the request, tells the host alone, and hands the trace on', async () => {
    const { spans, request } = await spansOf((tracing) =>
      tracing.fetch(`${url}/v1/customers/cus_secret?expand=all`, {
        method: 'POST',
        body: 'the words',
        headers: { Authorization: 'Bearer sk_secret' },
      }),
    );
    const call = spans.find(({ name }) => name === 'POST');
    expect(call).toMatchObject({
      parentSpanId: request?.spanId,
      attributes: {
        'http.request.method': 'POST',
        'http.response.status_code': 200,
        'server.address': '127.0.0.1',
        'server.port': Number(new URL(url).port),
      },
    });
    expect(heard.at(-1)).toBe(`00-${call?.traceId}-${call?.spanId}-01`);
    expect(collector.texts.join()).not.toMatch(/secret|expand|words/);
  });

  it('is an error when the other one fails, and when there is no other one', async () => {
    const { spans } = await spansOf(async (tracing) => {
      await tracing.fetch(`${url}/broken`);
      await expect(tracing.fetch('http://127.0.0.1:9/')).rejects.toThrow();
    });
    const calls = spans.filter(({ kind }) => kind === 3);
    expect(calls.map(({ status }) => status.code)).toEqual([2, 2]);
    expect(calls[1]?.attributes['error.type']).toBe('TypeError');
  });
});

describe('a call that takes no fetch', () => {
  it('hands the trace on to the receiver of a webhook, and leaves its address out', async () => {
    const sent: Record<string, string>[] = [];
    const post: Post = async ({ headers }) => {
      sent.push({ ...headers });
      return { status: 200, retryAfter: undefined };
    };
    const { spans } = await spansOf((tracing) => {
      const request = { url: 'https://hooks.example.com/a-secret-path', headers: { 'webhook-id': 'm' }, body: '{}' };
      return tracedPost(tracing, post)(request, new AbortController().signal);
    });
    const call = spans.find(({ name }) => name === 'webhook delivery');
    expect(sent).toEqual([{ 'webhook-id': 'm', traceparent: `00-${call?.traceId}-${call?.spanId}-01` }]);
    expect(collector.texts.join()).not.toContain('a-secret-path');
  });

  it('names nobody whose profile is asked for', async () => {
    const { spans } = await spansOf((tracing) => tracedProfiles(tracing, async () => ({}))('user_secret'));
    expect(spans.map(({ name }) => name)).toContain('clerk users.get');
    expect(collector.texts.join()).not.toContain('user_secret');
  });
});
