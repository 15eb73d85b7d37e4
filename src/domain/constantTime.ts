/**
 * Whether two secrets are equal, in a time that tells nothing of where they differ nor of how long the right one is: what is
 * compared are their SHA-256 digests, which have one length, and every byte of them is looked at.
 *
 * @example
 * if (!(await constantTimeEqual(shown, env.worker.token))) throw new Refusal('unauthenticated', ...);
 */
export async function constantTimeEqual(left: string, right: string): Promise<boolean> {
  const [a, b] = await Promise.all([digestOf(left), digestOf(right)]);
  let difference = 0;
  for (let index = 0; index < a.length; index += 1) {
    difference |= (a[index] ?? 0) ^ (b[index] ?? 0);
  }
  return difference === 0;
}

/** WebCrypto: `timingSafeEqual` of `node:crypto` is not there on every runtime, and refuses texts of unequal length. */
async function digestOf(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
}
