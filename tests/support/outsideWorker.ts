import { z } from 'zod';
import { type TestApplication, WORKER_TOKEN } from './application.ts';

const claimed = z.looseObject({ id: z.string(), leaseToken: z.string(), count: z.int() });
export type Claimed = z.output<typeof claimed>;

export const MADE = {
  url: 'https://pictures.example.com/5f8c.png',
  filename: 'a-bay.png',
  size: 12,
  width: 8,
  height: 8,
  contentType: 'image/png',
} as const;

/** A worker somewhere else, which knows the API alone. */
export function outsideWorker(api: TestApplication, token: string | undefined = WORKER_TOKEN) {
  const post = (path: string, body: unknown): Promise<Response> =>
    api.request(`/v1/worker/generations/${path}`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });
  return {
    post,
    /** What it was given, or null when nothing waits. */
    async claim(asked: object = {}): Promise<Claimed | null> {
      const response = await post('claim', { workerId: 'w', ...asked });
      if (response.status === 204) return null;
      if (response.status !== 200) throw new Error(`A claim was answered ${response.status}`);
      return claimed.parse(await response.json());
    },
    heartbeat: ({ id, leaseToken }: Claimed) => post(`${id}/heartbeat`, { leaseToken }),
    complete: ({ id, leaseToken }: Claimed, outputImages: readonly object[] = [MADE]) =>
      post(`${id}/complete`, { leaseToken, outputImages }),
    fail: ({ id, leaseToken }: Claimed, more: object = {}) =>
      post(`${id}/fail`, { leaseToken, errorMessage: 'The model is out of memory.', ...more }),
  };
}
