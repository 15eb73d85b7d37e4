import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { useCluster } from '../support/cluster.ts';
import { useDatabase } from '../support/database.ts';
import type { Runtime } from '../support/processes.ts';

const store = useDatabase();
const cluster = useCluster(store);

/** Everything that the server says to these bytes, until it hangs up. */
async function answerTo(url: string, request: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port) });
  await once(socket, 'connect');
  socket.write(request);
  return text(socket);
}

describe.each<Runtime>(['bun', 'node'])('a Host that is none, on %s', (runtime) => {
  it('is refused with 400 by every route, and shows nothing of the server', async () => {
    const { url } = await cluster.start(runtime);
    for (const path of ['/healthz', '/v1/me', '/nowhere']) {
      const answer = await answerTo(url, `GET ${path} HTTP/1.1\r\nHost: a b/@\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer).toMatch(/^content-type: application\/problem\+json/im);
      expect(answer).toMatch(/^x-request-id: \S+/im);
      expect(answer).toMatch(/"code":"validation_failed".*"path":"Host"/);
      expect(answer).not.toMatch(/\.ts|<html|new URL/);
    }
  });

  it('need not be there in HTTP/1.0', async () => {
    const { url } = await cluster.start(runtime);
    const answer = await answerTo(url, 'GET /healthz HTTP/1.0\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.[01] 200 /);
    expect(answer).toContain('"status":"ok"');
    const refused = await answerTo(url, 'POST /v1/quota/consume HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}');
    expect(refused).toContain('"instance":"/v1/quota/consume"');
  });
});
