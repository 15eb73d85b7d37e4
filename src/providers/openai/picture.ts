import { Buffer } from 'node:buffer';
import { readImageHeader } from '../image-header.ts';
import type { GeneratedImage } from '../port.ts';
import { malformed } from './failures.ts';

/** Bytes of one picture, at most. */
const MAX_PICTURE_BYTES = 32 * 1024 * 1024;

/** One element of the endpoint's answer. */
export interface PictureReference {
  b64_json?: string | null | undefined;
  url?: string | null | undefined;
}

export interface DownloadLimits {
  signal: AbortSignal;
  /** Milliseconds until the last byte. */
  timeoutMs: number;
  /** Whether plain http to this very machine will do: only for an endpoint that is itself there. */
  allowLoopback: boolean;
}

/** Whether that is an http address of this machine. */
export function isHttpLoopback(url: URL): boolean {
  const isLoopback = url.hostname === 'localhost' || url.hostname === '[::1]' || /^127(\.\d+){3}$/.test(url.hostname);
  return url.protocol === 'http:' && isLoopback;
}

async function readLimited(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > MAX_PICTURE_BYTES) throw malformed(new Error('The picture is too large.'));
    parts.push(part);
  }
  return Buffer.concat(parts);
}

async function download(address: string, limits: DownloadLimits): Promise<Uint8Array> {
  const url = URL.parse(address);
  const isAllowed = url !== null && (url.protocol === 'https:' || (limits.allowLoopback && isHttpLoopback(url)));
  if (!isAllowed) throw malformed(new Error('The picture lies at an address that is not https.'));
  const response = await fetch(url, {
    // A redirect could lead anywhere, to plain http also; no endpoint needs one.
    redirect: 'manual',
    signal: AbortSignal.any([limits.signal, AbortSignal.timeout(limits.timeoutMs)]),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw malformed(new Error(`The picture's address answered ${response.status}.`));
  }
  return readLimited(response);
}

function decode(base64: string): Uint8Array {
  if (base64.length > (MAX_PICTURE_BYTES / 3) * 4) throw malformed(new Error('The picture is too large.'));
  // Some servers answer with a data URL.
  return Buffer.from(base64.slice(base64.indexOf(',') + 1), 'base64');
}

/**
 * The picture itself. Type and size are what its own first bytes say, whatever was asked for or promised.
 *
 * @throws {ProviderError} (retryable) when there is none, or it is no PNG, JPEG or WebP.
 */
export async function fetchPicture(reference: PictureReference, limits: DownloadLimits): Promise<GeneratedImage> {
  if (!reference.b64_json && !reference.url) throw malformed(new Error('Neither b64_json nor url.'));
  const bytes = reference.b64_json ? decode(reference.b64_json) : await download(reference.url ?? '', limits);
  const header = readImageHeader(bytes);
  if (header === null) throw malformed(new Error('The bytes are no PNG, JPEG or WebP.'));
  return { bytes, ...header };
}
