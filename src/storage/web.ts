import { contentTypeOf } from './names.ts';
import type { PictureStorage } from './port.ts';

/** Milliseconds after which a picture is given up. */
const PATIENCE_MS = 10_000;

/**
 * Pictures that others keep, read from `address/NAME`: a process of the API that has a disk, or a bucket that is filled from there. For
 * runtimes without a disk, where nothing draws.
 *
 * @throws {Error} from `get`, where the address answers neither with the picture nor with 404
 */
export function webStorage(address: string): PictureStorage {
  return {
    async put() {
      throw new Error('Pictures are only read here: whoever draws them keeps them.');
    },
    async get(name) {
      const contentType = contentTypeOf(name);
      if (contentType === null) return null;
      const response = await fetch(`${address}/${name}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
      if (response.ok) return { bytes: new Uint8Array(await response.arrayBuffer()), contentType };
      await response.body?.cancel();
      if (response.status === 404) return null;
      throw new Error(`The address of the pictures answered with ${response.status}`);
    },
    async remove() {
      throw new Error('Pictures are only read here: the cleanup runs where they are kept.');
    },
  };
}
