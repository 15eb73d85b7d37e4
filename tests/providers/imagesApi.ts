import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { encode } from 'fast-png';
import { onTestFinished } from 'vitest';
import type { ImageRequest } from '@/providers/port.ts';

/** A call that the endpoint received. */
export interface Received {
  path: string;
  authorization: string | undefined;
  body: Record<string, unknown>;
}

/** What the endpoint does with one call. */
export type Answer = (response: ServerResponse, origin: string) => void;

export interface ImagesApi {
  baseURL: string;
  calls: Received[];
}

/** A small real picture of that size (pixels), in base64. */
export function pictureBase64(width = 3, height = 2): string {
  return Buffer.from(encode({ width, height, channels: 3, data: new Uint8Array(width * height * 3) })).toString(
    'base64',
  );
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
}

/** Success with that many pictures in base64. */
export function pictures(count = 1): Answer {
  return json(200, { created: 1, data: Array.from({ length: count }, () => ({ b64_json: pictureBase64() })) });
}

/** An error as OpenAI words it, to be repeated at once where it may be repeated. */
export function failure(status: number, error: Record<string, unknown>, headers: Record<string, string> = {}): Answer {
  return json(status, { error }, { 'retry-after-ms': '1', ...headers });
}

/** The call is received and never answered. */
export const silence: Answer = () => undefined;

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const part of request) text += part;
  return text === '' ? {} : JSON.parse(text);
}

/**
 * An endpoint of the images API on this machine, which gives these answers to its calls in order and 500 to any
 * further one. `files` are served at their paths.
 */
export async function serveImagesApi(answers: Answer[], files: Record<string, Answer> = {}): Promise<ImagesApi> {
  const calls: Received[] = [];
  const script = [...answers];
  let origin = '';
  const server = createServer(async (request, response) => {
    const path = request.url ?? '';
    const file = files[path];
    if (file) return file(response, origin);
    calls.push({ path, authorization: request.headers.authorization, body: await readBody(request) });
    const answer = script.shift() ?? failure(500, { message: 'not in the script' });
    answer(response, origin);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  origin = `http://127.0.0.1:${address.port}`;
  return { baseURL: `${origin}/v1`, calls };
}

/** A plain request, with what the test is about changed. */
export function request(changes: Partial<ImageRequest> = {}): ImageRequest {
  return {
    type: 'text-to-image',
    prompt: 'A majestic mountain landscape',
    style: 'realistic',
    aspectRatio: '1:1',
    quality: 'standard',
    model: 'default',
    count: 1,
    ...changes,
  };
}
