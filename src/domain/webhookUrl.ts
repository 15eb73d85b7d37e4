import { addressOfHost, isLoopbackAddress, isPublicAddress } from './addresses.ts';
import { WEBHOOK_LIMITS } from './webhooks.ts';

/** Names that mean this machine or the network around it (RFC 6761, RFC 6762, RFC 8375, and what clouds use). */
const LOCAL_NAMES = /(?:^|\.)(?:localhost|local|internal|intranet|lan|home\.arpa)\.?$/i;

/** What may be called. */
export interface Reach {
  /** For development: addresses of this machine too, and http to them. */
  allowLoopback: boolean;
}

/**
 * What is wrong with the address of an endpoint, as a sentence; null when nothing is. A name may still turn out to be of an address
 * that is not to be called: that is decided at every attempt.
 */
export function webhookUrlProblem(text: string, { allowLoopback }: Reach): string | null {
  if (text.length > WEBHOOK_LIMITS.maxUrlLength) return `Give at most ${WEBHOOK_LIMITS.maxUrlLength} characters`;
  if (!URL.canParse(text)) return 'Give an https address';
  const url = new URL(text);
  const isOwn = allowLoopback && isThisMachine(url.hostname);
  if (url.protocol !== 'https:' && !(isOwn && url.protocol === 'http:')) return 'Give an https address';
  if (url.username !== '' || url.password !== '') return 'Give no user and no password in the address';
  if (url.hash !== '') return 'Give no fragment; it is never sent';
  if (isOwn) return null;
  const address = addressOfHost(url.hostname);
  const isPublic = address === null ? url.hostname.includes('.') : isPublicAddress(address);
  if (!isPublic || LOCAL_NAMES.test(url.hostname)) return 'Give an address of the public internet';
  return null;
}

function isThisMachine(hostname: string): boolean {
  return hostname === 'localhost' || isLoopbackAddress(addressOfHost(hostname) ?? '');
}

/** Whether a connection to this address may be made. */
export function isReachable(address: string, { allowLoopback }: Reach): boolean {
  return isPublicAddress(address) || (allowLoopback && isLoopbackAddress(address));
}
