import { z } from 'zod';
import { mongodbUriProblem } from './mongodbUri.ts';

/** Shows a value that is no secret, on one line and not at length. */
export function shown(value: unknown): string {
  return JSON.stringify(String(value).slice(0, 80));
}

export function oneOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, { error: ({ input }) => `is ${shown(input)}: it must be one of ${words.join(', ')}` });
}

export function wholeNumber(min: number, max: number) {
  const error = ({ input }: { input?: unknown }) =>
    `is ${shown(input)}: it must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .refine((text) => /^-?\d{1,12}$/.test(text) && Number(text) >= min && Number(text) <= max, { error })
    .transform(Number);
}

/** A part of a whole. */
export const share = z
  .string()
  .refine((text) => /^(?:0(?:\.\d{1,9})?|1(?:\.0{1,9})?)$/.test(text), {
    error: ({ input }) => `is ${shown(input)}: it must be a number from 0 to 1`,
  })
  .transform(Number);

export function matching(pattern: RegExp, right: string) {
  return z.string().regex(pattern, { error: `has not the right form: it must be ${right}` });
}

export function httpUrl() {
  const error = ({ input }: { input?: unknown }) =>
    `is ${shown(input)}: it must be an http:// or https:// address without query and fragment`;
  return z
    .string()
    .refine(isHttpUrl, { error })
    .transform((text) => text.replace(/\/+$/, ''));
}

function isHttpUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return (url?.protocol === 'http:' || url?.protocol === 'https:') && !/[?#]/.test(text) && !url.username;
}

export const mongodbUri = z.string().superRefine((uri, context) => {
  const problem = mongodbUriProblem(uri);
  if (problem) {
    context.addIssue({
      code: 'custom',
      message: `${problem}: it must be mongodb://HOST[:PORT][,...][/DATABASE][?OPTIONS] or mongodb+srv://HOST[/DATABASE][?OPTIONS]`,
    });
  }
});

/**
 * The DER of a 2048-bit RSA public key with the exponent 65537, up to and behind the modulus. Clerk issues no other, and
 * its SDK cuts the modulus out by these very bytes.
 */
const RSA_2048 = /^MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA[A-Za-z0-9+/]{342}IDAQAB$/;

/** Panels that take one line only carry the line ends of a PEM as `\n`. */
export const publicKey = z
  .string()
  .transform((text) => text.replaceAll('\\n', '\n').replaceAll('\r', '').trim())
  .refine(
    (pem) => {
      const body = /^-----BEGIN PUBLIC KEY-----\n([\s\S]+)\n-----END PUBLIC KEY-----$/.exec(pem)?.[1];
      return body !== undefined && RSA_2048.test(body.replaceAll('\n', ''));
    },
    {
      error:
        "has not the right form: it must be the PEM public key of Clerk's API keys page (-----BEGIN PUBLIC KEY-----, 2048-bit RSA), its line ends real or written as \\n",
    },
  );

export const encryptionKeys = z
  .string()
  .transform((text) =>
    text.split(',').map((entry) => {
      const [, id = '', key = ''] = /^([A-Za-z0-9_-]{1,32}):([A-Za-z0-9+/]{43}=)$/.exec(entry.trim()) ?? [];
      return { id, key };
    }),
  )
  .refine((keys) => keys.every(({ id }) => id !== '') && new Set(keys.map(({ id }) => id)).size === keys.length, {
    error: 'has not the right form: it must be ID:BASE64-OF-32-BYTES, commas between, every ID once',
  });

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}

export const origins = z
  .string()
  .transform((text) => text.split(',').map((origin) => origin.trim()))
  .refine((list) => list.every(isOrigin), {
    error: 'has not the right form: it must be origins such as https://app.example.com, commas between',
  });

export const pageOrigins = z
  .string()
  .transform((text) => text.split(',').map((origin) => origin.trim()))
  .refine((list) => list.join() === '*' || list.every(isOrigin), {
    error: 'has not the right form: it must be *, or origins such as https://app.example.com, commas between',
  });

export const trustedProxy = z
  .string()
  .regex(/^(?:none|cloudflare|[1-9])$/, {
    error: ({ input }) => `is ${shown(input)}: it must be none, cloudflare, or the number of your proxies (1 to 9)`,
  })
  .transform((text) => (text === 'none' || text === 'cloudflare' ? text : Number(text)));

export const fileUrl = z
  .string()
  .refine((text) => folderOf(text) !== undefined, {
    error: ({ input }) => `is ${shown(input)}: it must be the file:///... address of a folder`,
  })
  .transform((text) => folderOf(text) ?? text);

/** The path of a `file:` URL without a host; the function of `node:url` is not there on every runtime. */
function folderOf(url: string): string | undefined {
  try {
    return /^file:\/\/\/[^?#]*$/.test(url) ? decodeURIComponent(new URL(url).pathname) : undefined;
  } catch {
    return undefined;
  }
}
