import type { Canvas } from './canvas.ts';
import { clamp01 } from './maths.ts';
import type { Pace } from './pace.ts';

/** Bytes of a pixel: red, green, blue. */
const DEPTH = 3;
/** Rows that are handed to the compression at once: a few milliseconds of work. */
const BAND_ROWS = 16;
const CHUNK_BYTES = 256 * 1024;
const FILTER_UP = 2;
const FILTER_PAETH = 4;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc >>> 0;
});

function checksum(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (CRC_TABLE[(crc ^ byte) & 255] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function chunk(type: string, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(content.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  for (let index = 0; index < 4; index += 1) bytes[4 + index] = type.charCodeAt(index);
  bytes.set(content, 8);
  view.setUint32(8 + content.length, checksum(bytes.subarray(4, 8 + content.length)));
  return bytes;
}

function header(width: number, height: number): Uint8Array {
  const content = new Uint8Array(13);
  const view = new DataView(content.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  content.set([8, 2, 0, 0, 0], 8);
  return chunk('IHDR', content);
}

function roundRow(canvas: Canvas, row: number, target: Uint8Array): void {
  const start = row * target.length;
  for (let index = 0; index < target.length; index += 1) {
    target[index] = clamp01(canvas.pixels[start + index] ?? 0) * 255 + 0.5;
  }
}

/** The neighbour (left, above, above left) that lies nearest to left + above - above left: PNG's own guess. */
function nearest(left: number, above: number, corner: number): number {
  const toLeft = Math.abs(above - corner);
  const toAbove = Math.abs(left - corner);
  const toCorner = Math.abs(left + above - 2 * corner);
  return toLeft <= toAbove && toLeft <= toCorner ? left : toAbove <= toCorner ? above : corner;
}

/** Writes one row as PNG stores it into `filtered`: the filter whose remainders are smaller, then the remainders. */
function filterRow(current: Uint8Array, previous: Uint8Array, scratch: Uint8Array, filtered: Uint8Array): void {
  let upCost = 0;
  let paethCost = 0;
  for (let index = 0; index < current.length; index += 1) {
    const value = current[index] ?? 0;
    const above = previous[index] ?? 0;
    const left = index < DEPTH ? 0 : (current[index - DEPTH] ?? 0);
    const corner = index < DEPTH ? 0 : (previous[index - DEPTH] ?? 0);
    const up = value - above;
    const paeth = value - nearest(left, above, corner);
    upCost += Math.abs(up);
    paethCost += Math.abs(paeth);
    filtered[index + 1] = up;
    scratch[index] = paeth;
  }
  if (paethCost < upCost) {
    filtered.set(scratch, 1);
    filtered[0] = FILTER_PAETH;
  } else {
    filtered[0] = FILTER_UP;
  }
}

/** The compressed rows in chunks of 256 KiB, since the checksum of a whole large picture would be one long block. */
async function dataChunks(compressed: Uint8Array, pace: Pace): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < compressed.length; at += CHUNK_BYTES) {
    chunks.push(chunk('IDAT', compressed.subarray(at, at + CHUNK_BYTES)));
    await pace.step();
  }
  return chunks;
}

/**
 * The canvas as a PNG file of 8 bits a channel. The platform's own deflate compresses while rows are still being
 * filtered, on another thread where the runtime has one; the whole file is never compressed in one block.
 *
 * @throws {ProviderError} when the pace's signal is aborted.
 */
export async function encodePng(canvas: Canvas, pace: Pace): Promise<Uint8Array> {
  const compression = new CompressionStream('deflate');
  const compressed = new Response(compression.readable).arrayBuffer();
  // Read even when the rows fail below, so that its rejection is never left unheard.
  compressed.catch(() => undefined);
  const writer = compression.writable.getWriter();
  try {
    let previous: Uint8Array = new Uint8Array(canvas.width * DEPTH);
    let current: Uint8Array = new Uint8Array(canvas.width * DEPTH);
    const scratch = new Uint8Array(canvas.width * DEPTH);
    for (let row = 0; row < canvas.height; row += BAND_ROWS) {
      const rows = Math.min(BAND_ROWS, canvas.height - row);
      const band = new Uint8Array(rows * (canvas.width * DEPTH + 1));
      for (let index = 0; index < rows; index += 1) {
        roundRow(canvas, row + index, current);
        filterRow(
          current,
          previous,
          scratch,
          band.subarray(index * (current.length + 1), (index + 1) * (current.length + 1)),
        );
        [previous, current] = [current, previous];
      }
      // Not awaited: the next rows are filtered while these are compressed. `close` tells of any failure.
      writer.write(band).catch(() => undefined);
      await pace.step();
    }
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => undefined);
    throw error;
  }
  const parts = [
    Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10),
    header(canvas.width, canvas.height),
    ...(await dataChunks(new Uint8Array(await compressed), pace)),
    chunk('IEND', new Uint8Array(0)),
  ];
  const file = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}
