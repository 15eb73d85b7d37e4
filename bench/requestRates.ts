import { createImage, type Started, start } from './process.ts';
import { percentile, type Row, rounded } from './table.ts';

const SECONDS = 2;
/** More credits than a run can spend are not to be had; refusals (402) are answers too, at the cost of a charge. */
const REQUESTS: Readonly<Record<string, (server: Started) => Promise<Response>>> = {
  'GET /healthz': ({ url }) => fetch(`${url}/healthz`),
  'GET /v1/quota': ({ url, token }) => fetch(`${url}/v1/quota`, { headers: { Authorization: `Bearer ${token}` } }),
  'POST /v1/generations': (server) => createImage(server, 'One of many'),
};

/** Requests a second and latency, with 1 and with 32 callers. The load comes from this process, on the same machine. */
export async function requestRates(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const runtime of ['bun', 'node'] as const) {
    const server = await start(runtime, { ARTIFEX_WORKER: 'off', LOG_LEVEL: 'silent' });
    for (const [route, request] of Object.entries(REQUESTS)) {
      for (const callers of [1, 32])
        rows.push({ runtime, route, callers, ...(await load(callers, () => request(server))) });
    }
    await server.end();
  }
  return rows;
}

async function load(callers: number, request: () => Promise<Response>): Promise<Row> {
  const latencies: number[] = [];
  const end = performance.now() + SECONDS * 1000;
  const call = async () => {
    while (performance.now() < end) {
      const began = performance.now();
      await (await request()).arrayBuffer();
      latencies.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return {
    'requests/s': rounded(latencies.length / SECONDS),
    'p50 ms': rounded(percentile(latencies, 0.5), 2),
    'p99 ms': rounded(percentile(latencies, 0.99), 2),
  };
}
