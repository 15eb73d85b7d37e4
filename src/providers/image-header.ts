import type { GeneratedImage } from './port.ts';

/** What a file says of itself in its first bytes; width and height in pixels. */
export type ImageHeader = Pick<GeneratedImage, 'contentType' | 'width' | 'height'>;

function matches(view: DataView, at: number, text: string): boolean {
  if (at + text.length > view.byteLength) return false;
  for (let index = 0; index < text.length; index += 1) {
    if (view.getUint8(at + index) !== text.charCodeAt(index)) return false;
  }
  return true;
}

function readPng(view: DataView): ImageHeader | null {
  if (!matches(view, 0, '\x89PNG\r\n\x1a\n') || !matches(view, 12, 'IHDR')) return null;
  return { contentType: 'image/png', width: view.getUint32(16), height: view.getUint32(20) };
}

/** Walks the segments of a JPEG to the frame header, which alone holds the size. */
function readJpeg(view: DataView): ImageHeader | null {
  if (!matches(view, 0, '\xff\xd8\xff')) return null;
  let at = 2;
  while (view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1);
    // C4, C8 and CC lie among the frame headers' numbers but are tables.
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) return { contentType: 'image/jpeg', width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    // A marker may be preceded by any number of fill bytes.
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return null;
}

/** The three kinds of WebP (lossy, lossless, extended) keep the size in three places. */
function readWebp(view: DataView): ImageHeader | null {
  if (!matches(view, 0, 'RIFF') || !matches(view, 8, 'WEBP')) return null;
  if (matches(view, 12, 'VP8 ')) {
    const width = view.getUint16(26, true) & 0x3fff;
    return { contentType: 'image/webp', width, height: view.getUint16(28, true) & 0x3fff };
  }
  if (matches(view, 12, 'VP8L')) {
    const bits = view.getUint32(21, true);
    return { contentType: 'image/webp', width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (matches(view, 12, 'VP8X')) {
    const width = (view.getUint32(24, true) & 0xffffff) + 1;
    return { contentType: 'image/webp', width, height: (view.getUint32(26, true) >>> 8) + 1 };
  }
  return null;
}

/** Type and size of a PNG, JPEG or WebP file, read from the file itself; null for anything else and for torn files. */
export function readImageHeader(bytes: Uint8Array): ImageHeader | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const header = readPng(view) ?? readJpeg(view) ?? readWebp(view);
    return header !== null && header.width > 0 && header.height > 0 ? header : null;
  } catch (error) {
    // The file ends before its header does.
    if (error instanceof RangeError) return null;
    throw error;
  }
}
