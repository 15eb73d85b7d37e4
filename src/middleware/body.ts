import { createMiddleware } from 'hono/factory';
import { ArtifexError } from '../domain/errors.ts';
import type { EdgeEnv } from './context.ts';

/** Bytes that the body of a request may have. */
export const MAX_BODY_BYTES = 1024 * 1024;

/** Refuses, on every route and before anything else is done, a body that says that it is too large. */
export function refuseLargeBodies() {
  return createMiddleware<EdgeEnv>(async function refuseDeclaredLength(c, next) {
    if (Number(c.req.header('Content-Length') ?? 0) > MAX_BODY_BYTES) {
      throw tooLarge();
    }
    await next();
  });
}

/**
 * The bytes of a body, as they came: what a signature is checked against. A body that goes over the limit while it
 * arrives is left unread from there on, whether or not it said its length.
 */
export async function readBody(request: Request): Promise<Uint8Array> {
  if (request.headers.has('Content-Length')) return readDeclaredBody(request);
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = request.body?.getReader();
  while (reader) {
    const { done, value } = await reader.read().catch(brokenOff);
    if (done) {
      break;
    }
    length += value.byteLength;
    if (length > MAX_BODY_BYTES) {
      // Not awaited: a peer that goes on sending must not keep the answer back.
      void reader.cancel().catch(() => undefined);
      throw tooLarge();
    }
    chunks.push(value);
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}

/**
 * A body that says its length, which `refuseLargeBodies` has looked at and no server lets it go beyond (RFC 9112 section 6.3): at one go,
 * since a stream costs runtimes a good part of what a small request takes.
 */
async function readDeclaredBody(request: Request): Promise<Uint8Array> {
  const bytes = new Uint8Array(await request.arrayBuffer().catch(brokenOff));
  if (bytes.byteLength > MAX_BODY_BYTES) throw tooLarge();
  return bytes;
}

function brokenOff(cause: unknown): never {
  throw new ArtifexError('malformed_json', 'The body broke off before its end.', { cause });
}

/** The text of a JSON body: UTF-8 alone (RFC 8259 section 8.1), plain `application/json`, no content coding. */
export async function readJsonText(request: Request): Promise<string> {
  // What says that it is something else is refused unread; an empty body need not say what it is.
  if (request.headers.has('Content-Type')) {
    requireJson(request.headers);
  }
  const bytes = await readBody(request);
  if (bytes.length > 0) {
    requireJson(request.headers);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ArtifexError('malformed_json', 'The body is not valid UTF-8.');
  }
}

function requireJson(headers: Headers): void {
  const [mediaType = '', ...parameters] = (headers.get('Content-Type') ?? '').toLowerCase().split(';');
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('charset='));
  const isUtf8 = charset === undefined || /^charset="?utf-?8"?$/.test(charset);
  const coding = headers.get('Content-Encoding') ?? 'identity';
  if (mediaType.trim() !== 'application/json' || !isUtf8 || coding.toLowerCase() !== 'identity') {
    throw new ArtifexError(
      'unsupported_media_type',
      'Send the body as `Content-Type: application/json`, in UTF-8 and without a content coding.',
    );
  }
}

function tooLarge(): ArtifexError {
  return new ArtifexError('payload_too_large', `A body may have ${MAX_BODY_BYTES} bytes; this one has more.`);
}
