import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { LookupFunction } from 'node:net';
import { addressOfHost } from '../domain/addresses.ts';
import type { DeliveryError } from '../domain/webhooks.ts';
import { isReachable, type Reach } from '../domain/webhookUrl.ts';
import type { Resolve } from './names.ts';

export interface OutboundDeps extends Reach {
  resolve: Resolve;
  /** From looking up the name to the end of the answer. */
  timeoutMs: number;
  /** Certificates to trust in place of the runtime's, PEM. */
  ca?: string | undefined;
}

export interface OutboundRequest {
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string;
}

/** An answer, whatever its status; or why there was none. */
export type Outcome =
  | { status: number; retryAfter: string | undefined }
  | {
      error: Extract<
        DeliveryError,
        'name_not_found' | 'address_not_allowed' | 'connection_failed' | 'tls_failed' | 'timeout'
      >;
    };

/** Sends one POST. It fails only when `signal` is aborted, with its reason. */
export type Post = (request: OutboundRequest, signal: AbortSignal) => Promise<Outcome>;

/** So much of a body is taken off the wire, and thrown away, for the sake of receivers that would take a reset for an error. */
const MOST_BODY_BYTES = 64 * 1024;

/**
 * Calls addresses that users have given, and no address of this machine or of a network around it. The name is looked up once, every
 * address that it has is checked, and the connection goes to one of those: a name that answers differently the next time
 * leads nowhere else. No redirect is followed, no proxy asked, no connection kept, and of the answer only the status counts.
 */
export function createPost({ resolve, allowLoopback, timeoutMs, ca }: OutboundDeps): Post {
  return async function post(request, signal) {
    const deadline = AbortSignal.timeout(timeoutMs);
    const url = new URL(request.url);
    const addresses = await addressesOf(url, resolve, deadline);
    signal.throwIfAborted();
    if (deadline.aborted) return { error: 'timeout' };
    const [address] = addresses;
    if (address === undefined) return { error: 'name_not_found' };
    if (!addresses.every((each) => isReachable(each, { allowLoopback }))) return { error: 'address_not_allowed' };
    const outcome = await send(url, request, { address, ca, signal: AbortSignal.any([deadline, signal]) });
    if ('error' in outcome) signal.throwIfAborted();
    return 'error' in outcome && deadline.aborted ? { error: 'timeout' } : outcome;
  };
}

async function addressesOf(url: URL, resolve: Resolve, deadline: AbortSignal): Promise<string[]> {
  const literal = addressOfHost(url.hostname);
  if (literal !== null) return [literal];
  // Name servers need not know this one (RFC 6761 section 6.3), and whether it may be called is decided by its address.
  if (url.hostname === 'localhost') return ['127.0.0.1'];
  const late = new Promise<string[]>((done) => deadline.addEventListener('abort', () => done([]), { once: true }));
  return Promise.race([resolve(url.hostname).catch(() => []), late]);
}

function send(
  url: URL,
  { headers, body }: OutboundRequest,
  { address, ca, signal }: { address: string; ca: string | undefined; signal: AbortSignal },
): Promise<Outcome> {
  const bytes = new TextEncoder().encode(body);
  const options: RequestOptions = {
    method: 'POST',
    headers: { ...headers, 'content-length': String(bytes.byteLength), connection: 'close' },
    agent: false,
    lookup: pinnedTo(address),
    signal,
    ...(ca !== undefined && { ca }),
  };
  return new Promise((settle) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options);
    let isAnswered = false;
    const failed = (error: 'tls_failed' | 'connection_failed') => {
      // What happens to an answer that has begun does not change its status.
      if (!isAnswered) settle({ error });
    };
    request.on('response', (response) => {
      isAnswered = true;
      ended(response).then(settle);
    });
    request.on('error', (error) => failed(isTls(error) ? 'tls_failed' : 'connection_failed'));
    request.on('close', () => failed('connection_failed'));
    request.end(bytes);
  });
}

/** Names are looked up no second time. */
function pinnedTo(address: string): LookupFunction {
  const family = address.includes(':') ? 6 : 4;
  return function pinned(_name, { all }, done) {
    if (all) done(null, [{ address, family }]);
    else done(null, address, family);
  };
}

/** Resolves when the body has ended, is long enough, or was cut off: the status is known by then. */
function ended(response: IncomingMessage): Promise<Outcome> {
  const { statusCode = 0, headers } = response;
  return new Promise((settle) => {
    const done = () => {
      response.destroy();
      settle({ status: statusCode, retryAfter: headers['retry-after'] });
    };
    let seen = 0;
    response.on('data', (chunk: Uint8Array) => {
      seen += chunk.byteLength;
      if (seen > MOST_BODY_BYTES) done();
    });
    for (const event of ['end', 'error', 'close']) response.on(event, done);
  });
}

/** OpenSSL's and Node's own words for a handshake that failed, or a certificate that proves nothing. */
const TLS_CODE = /^(?:ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|EPROTO|HOSTNAME_MISMATCH)/;

function isTls(error: Error & { code?: unknown }): boolean {
  return typeof error.code === 'string' && TLS_CODE.test(error.code);
}
