import { z } from 'zod';

const data = z.object({
  id: z.string(),
  status: z.string(),
  startedAt: z.string().nullable(),
  outputImages: z.array(z.unknown()),
});

export interface StatusEvent {
  id: string;
  status: string;
  startedAt: string | null;
  images: number;
}

/** Reads server-sent events one by one. */
export function eventsOf(response: Response) {
  if (!response.body) throw new Error('There is no body');
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';

  /** What stands before the next empty line; null at the end of the stream, which never comes within an event. */
  async function block(): Promise<string | null> {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end >= 0) {
        const found = text.slice(0, end);
        text = text.slice(end + 2);
        return found;
      }
      const { done, value } = await reader.read();
      if (done && text !== '') throw new Error(`The stream ended within an event: ${text}`);
      if (done) return null;
      text += value;
    }
  }

  return {
    block,
    /** The next `status`; null at the end. */
    async next(): Promise<StatusEvent | null> {
      for (let found = await block(); found !== null; found = await block()) {
        const [, id, json] = /^event: status\nid: (.*)\ndata: (.*)$/.exec(found) ?? [];
        if (id === undefined || json === undefined) continue;
        const { status, startedAt, outputImages } = data.parse(JSON.parse(json));
        return { id, status, startedAt, images: outputImages.length };
      }
      return null;
    },
    close: () => reader.cancel(),
  };
}
