const ENDINGS = new Map([
  ['image/png', 'png'],
  ['image/jpeg', 'jpg'],
  ['image/webp', 'webp'],
]);
const CONTENT_TYPES = new Map([...ENDINGS].map(([contentType, ending]) => [ending, contentType]));

/** 18 random bytes (144 bits) in base64url, a dot, the ending: the only strings that ever become a path. */
const NAME = /^[\w-]{24}\.(png|jpg|webp)$/;
const NAME_BYTES = 18;

/**
 * A name that nobody can guess, for a picture of that type.
 *
 * @throws {TypeError} for a type other than PNG, JPEG and WebP
 */
export function newName(contentType: string): string {
  const ending = ENDINGS.get(contentType);
  if (ending === undefined) throw new TypeError(`Pictures of type ${contentType} cannot be stored.`);
  const random = crypto.getRandomValues(new Uint8Array(NAME_BYTES));
  const base64 = btoa(String.fromCharCode(...random));
  return `${base64.replaceAll('+', '-').replaceAll('/', '_')}.${ending}`;
}

/** The type of a picture's name; null for whatever is no such name. */
export function contentTypeOf(name: string): string | null {
  return CONTENT_TYPES.get(NAME.exec(name)?.[1] ?? '') ?? null;
}
