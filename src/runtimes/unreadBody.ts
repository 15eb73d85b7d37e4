/** Bytes of an unwanted body that are read for the sake of the answer. */
const MOST = 8 * 2 ** 20;

/**
 * Reads what nobody has read of a request. Workerd cuts off the connection, and with it the answer, where an object answers before the
 * whole body has come; a body that goes on and on is cut off all the same.
 */
export async function readOut({ body, bodyUsed }: Request): Promise<void> {
  if (!body || bodyUsed) return;
  let read = 0;
  try {
    for await (const { byteLength } of body) {
      read += byteLength;
      if (read > MOST) return;
    }
  } catch {
    // Whoever sent it has gone away.
  }
}
